%% The workloads of bench/workloads on OTP itself, for comparison within one run.
%% Run one: erl +S 1 -noshell -run troupe_bench main NAME; it prints one line, NAME VALUE.
-module(troupe_bench).
-export([main/1]).

main([Name]) ->
    {ok, _} = pg:start(nova_scope),
    oneway(100000),
    io:format("~s ~w~n", [Name, round(run(Name))]),
    halt().

run("oneway") -> oneway(2000000);
run("pingpong") -> pingpong(500000);
run("call") -> call(500000);
run("spawn_exit") -> spawn_exit(500000);
run("ring") -> ring(1000, 1000);
run("broadcast_" ++ Members) -> M = list_to_integer(Members), broadcast(M, max(2000000 div M, 5));
run("join_leave_own_groups") -> join_own(50000);
run("join_leave_one_group") -> join_one(2000);
run("idle_process") -> idle(200000).

%% The best of five: what the machine can do when nothing else disturbs.
best(Work) ->
    lists:min([begin erlang:garbage_collect(), seconds(Work) end || _ <- lists:seq(1, 5)]).

seconds(Work) ->
    Start = erlang:monotonic_time(nanosecond),
    Work(),
    (erlang:monotonic_time(nanosecond) - Start) / 1.0e9.

%% One process sends to one other; until all have arrived.
oneway(N) ->
    N / best(fun() ->
        Me = self(),
        Sink = spawn(fun() -> sink(N, Me) end),
        [Sink ! {msg, I} || I <- lists:seq(1, N)],
        receive done -> ok end
    end).

sink(0, Me) -> Me ! done;
sink(N, Me) -> receive {msg, _} -> sink(N - 1, Me) end.

%% Round trips between two processes.
pingpong(N) ->
    N / best(fun() ->
        Me = self(),
        Pong = spawn(fun Loop() -> receive {ping, From} -> From ! pong, Loop(); stop -> ok end end),
        ping(N, Pong, Me),
        Pong ! stop
    end).

ping(0, _, _) -> ok;
ping(N, Pong, Me) -> Pong ! {ping, Me}, receive pong -> ping(N - 1, Pong, Me) end.

%% gen_server:call, one after the other.
call(N) ->
    {ok, Server} = gen_server:start(troupe_bench_server, [], []),
    Seconds = best(fun() -> calls(N, Server) end),
    gen_server:stop(Server),
    N / Seconds.

calls(0, _) -> ok;
calls(N, Server) -> _ = gen_server:call(Server, {echo, N}), calls(N - 1, Server).

%% A process that ends at once, monitored; one after the other.
spawn_exit(N) ->
    N / best(fun() -> spawns(N) end).

spawns(0) -> ok;
spawns(N) ->
    {_, Ref} = spawn_monitor(fun() -> ok end),
    receive {'DOWN', Ref, process, _, _} -> spawns(N - 1) end.

%% A token that goes round.
ring(Procs, Laps) ->
    Procs * Laps / best(fun() ->
        Me = self(),
        First = lists:foldl(fun(_, Next) -> spawn(fun() -> forward(Next) end) end, Me, lists:seq(1, Procs)),
        laps(Laps, First),
        First ! stop,
        receive stop -> ok end
    end).

forward(Next) -> receive stop -> Next ! stop; Token -> Next ! Token, forward(Next) end.

laps(0, _) -> ok;
laps(N, First) -> First ! token, receive token -> laps(N - 1, First) end.

%% nova_pubsub:broadcast to M members, until every member has had every message.
broadcast(M, Rounds) ->
    Me = self(),
    Members = [spawn(fun() -> member(Rounds, Rounds, Me) end) || _ <- lists:seq(1, M)],
    ok = pg:join(nova_scope, notes, Members),
    Note = #{id => 1, title => <<"title">>, body => <<"body">>, author => <<"author">>},
    Seconds = best(fun() ->
        [begin
             Message = {nova_pubsub, notes, self(), "note_created", Note},
             [Pid ! Message || Pid <- pg:get_members(nova_scope, notes)]
         end || _ <- lists:seq(1, Rounds)],
        [receive done -> ok end || _ <- lists:seq(1, M)]
    end),
    M * Rounds / Seconds.

member(0, Rounds, Me) -> Me ! done, member(Rounds, Rounds, Me);
member(N, Rounds, Me) ->
    receive {nova_pubsub, notes, _, "note_created", _} -> member(N - 1, Rounds, Me) end.

forever() -> receive stop -> ok end.

%% N processes join one group, then leave it. Spawning them is not measured.
join_one(N) ->
    Pids = [spawn(fun forever/0) || _ <- lists:seq(1, N)],
    Seconds = best(fun() ->
        [ok = pg:join(nova_scope, big, Pid) || Pid <- Pids],
        [ok = pg:leave(nova_scope, big, Pid) || Pid <- Pids]
    end),
    2 * N / Seconds.

%% Each of N processes joins a group of its own, and leaves it.
join_own(N) ->
    Pids = lists:zip(lists:seq(1, N), [spawn(fun forever/0) || _ <- lists:seq(1, N)]),
    2 * N / best(fun() ->
        [ok = pg:join(nova_scope, {room, I}, Pid) || {I, Pid} <- Pids],
        [ok = pg:leave(nova_scope, {room, I}, Pid) || {I, Pid} <- Pids]
    end).

%% Memory of a process that waits for its first message, in bytes.
idle(N) ->
    erlang:garbage_collect(),
    Before = erlang:memory(total),
    Pids = [spawn(fun forever/0) || _ <- lists:seq(1, N)],
    timer:sleep(200),
    After = erlang:memory(total),
    (After - Before) / length(Pids).
