%% The programs of program.ts on Erlang itself, one operation at a time. After each operation, once all signals have taken
%% effect, it prints a line of JSON: the answer, what was taken out of the mailbox, and all that can be seen of each process.
-module(model).
-export([main/1]).

%% Programs are terms in a file: lists of {Actor, Operation}.
main(File) ->
    {ok, Programs} = file:consult(File),
    lists:foreach(fun program/1, Programs).

program(Steps) ->
    [put(Key, Value) || {Key, Value} <- [{pids, []}, {refs, []}, {reasons, #{}}, {now, 0}]],
    [keep_pid(spawn(fun loop/0)) || _ <- [1, 2, 3]],
    lists:foreach(fun step/1, Steps),
    [begin exit(Pid, kill), ended(Pid) end || Pid <- get(pids), not is_map_key(Pid, get(reasons))],
    io:format("end~n").

%% A process takes functions out of its mailbox and leaves everything else there.
loop() ->
    receive
        {run, From, Function} ->
            From ! {answer, Function()},
            loop();
        return ->
            ok
    end.

step({Number, Operation}) ->
    Actor = pick(Number),
    case is_map_key(Actor, get(reasons)) of
        true ->
            show(undefined, nothing);
        false ->
            put(now, get(now) + 1),
            {Answer, Taken} = kept(perform(Actor, Operation)),
            settle(3, []),
            show(Answer, Taken)
    end.

perform(Actor, {return}) ->
    Actor ! return,
    answer(Actor);
perform(Actor, Operation) ->
    Actor ! {run, self(), operation(Operation)},
    answer(Actor).

answer(Actor) ->
    receive
        {answer, Answer} -> Answer;
        {'DOWN', _, process, Actor, Reason} -> note(Actor, Reason), undefined
    end.

kept({pid, Pid}) -> {keep_pid(Pid), nothing};
kept({pid, Pid, Ref}) -> keep_ref(Ref), {keep_pid(Pid), nothing};
kept({ref, Ref}) -> {keep_ref(Ref), nothing};
kept({taken, Message}) -> {undefined, Message};
kept(Answer) -> {Answer, nothing}.

keep_pid(Pid) ->
    monitor(process, Pid),
    put(pids, get(pids) ++ [Pid]),
    length(get(pids)) - 1.

keep_ref(Ref) ->
    put(refs, get(refs) ++ [Ref]),
    length(get(refs)) - 1.

ended(Pid) ->
    receive {'DOWN', _, process, Pid, Reason} -> note(Pid, Reason) end.

note(Pid, Reason) ->
    put(reasons, (get(reasons))#{Pid => Reason}).

%% Looks at all processes until they have not changed for some rounds. To be looked at, a process first takes in the signals
%% that have arrived, and what those cause is seen in the next round.
settle(0, _) -> ok;
settle(Rounds, Before) ->
    erlang:yield(),
    case [process_info(Pid, [links, monitors, monitored_by, messages]) || Pid <- get(pids)] of
        Before -> settle(Rounds - 1, Before);
        Now -> settle(3, Now)
    end.

pick(Number) -> lists:nth(Number rem length(get(pids)) + 1, get(pids)).

%% ---- operations: made here, where the numbers are known, and run in the process ----

operation({spawn, How, TrapExit}) ->
    Body = fun() -> process_flag(trap_exit, TrapExit), loop() end,
    case How of
        plain -> fun() -> {pid, spawn(Body)} end;
        link -> fun() -> {pid, spawn_link(Body)} end;
        monitor -> fun() -> {Pid, Ref} = spawn_monitor(Body), {pid, Pid, Ref} end
    end;
operation({link, Target}) ->
    Pid = pick(Target),
    fun() -> try link(Pid), undefined catch error:noproc -> 'TROUPE_NOPROC' end end;
operation({unlink, Target}) ->
    Pid = pick(Target),
    fun() -> unlink(Pid), undefined end;
operation({monitor, Target}) ->
    Pid = pick(Target),
    fun() -> {ref, monitor(process, Pid)} end;
operation({monitorName, Name}) ->
    fun() -> {ref, monitor(process, Name)} end;
operation({demonitor, Number, Flush}) ->
    Options = [info] ++ [flush || Flush],
    case get(refs) of
        [] -> fun() -> undefined end;
        Refs -> Ref = lists:nth(Number rem length(Refs) + 1, Refs), fun() -> demonitor(Ref, Options) end
    end;
operation({trapExit, On}) ->
    fun() -> process_flag(trap_exit, On) end;
operation({send, Target}) ->
    {Pid, Number} = {pick(Target), get(now)},
    fun() -> Pid ! {message, Number, self()}, Number end;
operation({sendName, Name}) ->
    Number = get(now),
    fun() -> try Name ! {message, Number, self()}, Number catch error:badarg -> 'TROUPE_NOT_REGISTERED' end end;
operation({register, Name, Target}) ->
    Pid = pick(Target),
    Code = case is_process_alive(Pid) of true -> 'TROUPE_NAME_TAKEN'; false -> 'TROUPE_NOPROC' end,
    fun() -> try register(Name, Pid), undefined catch error:badarg -> Code end end;
operation({unregister, Name}) ->
    fun() -> try unregister(Name), undefined catch error:badarg -> 'TROUPE_NOT_REGISTERED' end end;
operation({take, any}) ->
    fun() -> receive Message when element(1, Message) =/= run -> {taken, Message} after 0 -> {taken, nothing} end end;
operation({take, down}) ->
    fun() -> receive {'DOWN', _, _, _, _} = Down -> {taken, Down} after 0 -> {taken, nothing} end end;
operation({signal, Target, Reason}) ->
    Pid = pick(Target),
    fun() -> exit(Pid, Reason), undefined end;
operation({exit, Reason}) ->
    fun() -> exit(Reason) end.

%% ---- JSON ----

show(Answer, Taken) ->
    Looks = [look(Pid) || Pid <- get(pids)],
    io:format("~s~n", [object([{"result", json(Answer)}, {"taken", json(text(Taken))}, {"looks", array(Looks)}])]).

look(Pid) ->
    case process_info(Pid, [links, monitors, monitored_by, trap_exit, registered_name, messages]) of
        undefined ->
            case get(reasons) of
                #{Pid := _} -> ok;
                _ -> ended(Pid)
            end,
            object([{"ended", json(reason(map_get(Pid, get(reasons))))}]);
        [{_, Links}, {_, Monitors}, {_, MonitoredBy}, {_, TrapExit}, {_, Name}, {_, Messages}] ->
            object([
                {"trapExit", json(TrapExit)},
                {"name", case Name of [] -> "null"; _ -> json(atom_to_list(Name)) end},
                {"links", sorted([pid_text(Link) || Link <- Links])},
                {"monitors", sorted([target(Target) || {process, Target} <- Monitors])},
                {"monitoredBy", sorted([pid_text(By) || By <- MonitoredBy, By =/= self()])},
                {"mailbox", array([json(text(Message)) || Message <- Messages])}
            ])
    end.

text(nothing) -> "nothing";
text({message, Number, Pid}) -> lists:flatten(io_lib:format("message ~p of ~s", [Number, pid_text(Pid)]));
text({'EXIT', Pid, Reason}) -> lists:flatten(["exit ", pid_text(Pid), " ", reason(Reason)]);
text({'DOWN', Ref, process, Target, Reason}) ->
    lists:flatten(["down ", integer_to_list(index(Ref, get(refs))), " ", target(Target), " ", reason(Reason)]).

reason({Reason, Detail}) -> lists:flatten(io_lib:format("~s,~p", [Reason, Detail]));
reason(Reason) -> atom_to_list(Reason).

target({Name, _Node}) -> atom_to_list(Name);
target(Pid) -> pid_text(Pid).

pid_text(Pid) -> "#" ++ integer_to_list(index(Pid, get(pids))).

index(Item, Items) -> length(lists:takewhile(fun(Other) -> Other =/= Item end, Items)).

object(Fields) -> ["{", lists:join(",", [["\"", Key, "\":", Value] || {Key, Value} <- Fields]), "}"].

array(Items) -> ["[", lists:join(",", Items), "]"].

sorted(Texts) -> array([json(Text) || Text <- lists:sort(Texts)]).

json(undefined) -> "null";
json(Value) when is_boolean(Value) -> atom_to_list(Value);
json(Value) when is_atom(Value) -> json(atom_to_list(Value));
json(Value) when is_integer(Value) -> integer_to_list(Value);
json(Text) -> ["\"", Text, "\""].
