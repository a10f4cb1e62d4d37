// An Erlang emulator that reads and compares terms for the tests: the reference for what bytes mean.
import { type ChildProcess, spawn } from 'node:child_process';

const ECHO = 1;
const COMPARE = 2;
const PRINT = 3;
const CHECK = 4;

// Each request is a packet <<Operation, Body/binary>>, each answer <<1, Result/binary>>, or <<0, Why/binary>> when it failed.
const PROGRAM = `
  Port = open_port({fd, 0, 1}, [binary, eof, {packet, 4}]),
  Do = fun
    (${ECHO}, Bytes) -> term_to_binary(binary_to_term(Bytes));
    (${COMPARE}, <<Size:32, A:Size/binary, B/binary>>) ->
      case binary_to_term(A) =:= binary_to_term(B) of true -> <<1>>; false -> <<0>> end;
    (${PRINT}, Bytes) -> unicode:characters_to_binary(io_lib:format("~0tp", [binary_to_term(Bytes)]));
    (${CHECK}, Bytes) ->
      [Function, Argument] = binary_to_term(Bytes),
      {ok, Tokens, _} = erl_scan:string(binary_to_list(Function) ++ "."),
      {ok, Exprs} = erl_parse:parse_exprs(Tokens),
      {value, Value, _} = erl_eval:exprs(Exprs, [{'X', Argument}]),
      term_to_binary(Value)
  end,
  Loop = fun Loop() ->
    receive
      {Port, {data, <<Operation, Body/binary>>}} ->
        Answer = try [1, Do(Operation, Body)] catch Class:Reason -> [0, io_lib:format("~0tp:~0tp", [Class, Reason])] end,
        port_command(Port, Answer),
        Loop();
      {Port, eof} -> halt(0)
    end
  end,
  Loop().`;

/** A running emulator. */
export class Erl {
  readonly #process: ChildProcess;
  readonly #waiting: Array<(answer: Buffer) => void> = [];
  #received = Buffer.alloc(0);

  constructor(path: string) {
    // Characters beyond Latin-1 are printed as such: +pc.
    this.#process = spawn(path, ['+pc', 'unicode', '-noinput', '-eval', PROGRAM], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#process.stdout?.on('data', (chunk: Buffer) => this.#receive(chunk));
  }

  /** The bytes that Erlang writes for the term that it reads from some; both with the version. */
  echo(bytes: Uint8Array): Promise<Buffer> {
    return this.#ask(ECHO, bytes);
  }

  /** Whether two terms are equal (`=:=`). */
  async equal(a: Uint8Array, b: Uint8Array): Promise<boolean> {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(a.length);
    return (await this.#ask(COMPARE, Buffer.concat([size, a, b])))[0] === 1;
  }

  /** The term as `~0tp` prints it. */
  async print(bytes: Uint8Array): Promise<string> {
    return (await this.#ask(PRINT, bytes)).toString();
  }

  /** The value of an expression; the bytes are those of the list of its text, a binary, and what `X` is bound to. */
  evaluate(bytes: Uint8Array): Promise<Buffer> {
    return this.#ask(CHECK, bytes);
  }

  /** Ends it. */
  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.stdin?.end();
    await ended;
  }

  #ask(operation: number, body: Uint8Array): Promise<Buffer> {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length + 1);
    head[4] = operation;
    return new Promise((resolve, reject) => {
      this.#waiting.push((answer) => {
        if (answer[0] === 1) resolve(answer.subarray(1));
        else reject(new Error(`Erlang refuses it: ${answer.subarray(1).toString()}`));
      });
      this.#process.stdin?.write(Buffer.concat([head, body]));
    });
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 4) {
      const end = 4 + this.#received.readUInt32BE(0);
      if (this.#received.length < end) return;
      this.#waiting.shift()?.(this.#received.subarray(4, end));
      this.#received = this.#received.subarray(end);
    }
  }
}
