%% Runs what a test asks of a node, over file descriptor 3 and not over distribution, so that it works while the net is cut.
%% Requests are <<Id:32, Kind, Rest>>, answers <<Id:32, Ok, Bytes>>, both after their length in four bytes. The node ends
%% when the descriptor closes: it does not outlive the test.
-module(erl_control).
-export([start/0]).

start() ->
    ok = io:setopts(user, [{encoding, unicode}]),
    spawn(fun() ->
        register(?MODULE, self()),
        Port = open_port({fd, 3, 3}, [binary, eof, {packet, 4}]),
        port_command(Port, <<0:32, 1, (list_to_binary(os:getpid()))/binary>>),
        loop(Port)
    end).

loop(Port) ->
    receive
        {Port, {data, <<Id:32, Kind, Rest/binary>>}} ->
            Control = self(),
            spawn(fun() -> Control ! {answer, Id, answer(Kind, Rest)} end),
            loop(Port);
        {Port, eof} ->
            erlang:halt(0, [{flush, false}]);
        {answer, Id, {Ok, Bytes}} ->
            port_command(Port, [<<Id:32, Ok>>, Bytes]),
            loop(Port)
    end.

answer(Kind, Rest) ->
    try
        {1, run(Kind, Rest)}
    catch
        Class:Reason:Stack ->
            {0, text({Class, Reason, lists:sublist(Stack, 3)})}
    end.

%% Evaluates expressions, with the variable Input bound to the bytes that came with them. The process that evaluates
%% ends with its answer.
run($e, Request) -> text(evaluate(Request));
run($b, Request) -> term_to_binary(evaluate(Request));
%% Compiles and loads the source of a module.
run($l, Path) ->
    File = unicode:characters_to_list(Path),
    {ok, Module, Code} = compile:file(File, [binary, report_errors]),
    {module, Module} = code:load_binary(Module, File, Code),
    <<"ok">>.

evaluate(<<Length:32, Source:Length/binary, Input/binary>>) ->
    {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Source) ++ " ."),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    {value, Value, _} = erl_eval:exprs(Expressions, [{'Input', Input}]),
    Value.

text(Value) -> unicode:characters_to_binary(io_lib:format("~0tp", [Value])).
