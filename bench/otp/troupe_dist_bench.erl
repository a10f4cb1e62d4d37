%% The workloads between two nodes: OTP with OTP (main), and the other side for Troupe (serve). Both sides do what messages
%% to the name `bench_peer` ask for; bench/peers/peer.mjs understands the same.
%% Run one: erl +S 1 -noshell -name a@127.0.0.1 -run troupe_dist_bench main NAME; it prints one line, NAME VALUE.
-module(troupe_dist_bench).
-export([main/1, serve/0, serve/1]).

-define(HOST, "127.0.0.1").
-define(LIMIT, 120000).

main([Name]) ->
    Paths = ["-pa", filename:dirname(code:which(?MODULE))],
    Cookie = ["-setcookie", atom_to_list(erlang:get_cookie())],
    {ok, _, Peer} = peer:start_link(#{
        name => "troupe_bench_" ++ os:getpid(),
        host => ?HOST,
        longnames => true,
        connection => standard_io,
        args => ["+S", "1", "-start_epmd", "false" | Paths ++ Cookie ++ ["-run", "troupe_dist_bench", "serve"]]
    }),
    {ok, _} = pg:start(nova_scope),
    ok = connected(Peer, 100),
    Value = run(Name, {bench_peer, Peer}),
    io:format("~s ~w~n", [Name, Value]),
    halt(0, [{flush, true}]).

connected(_, 0) -> timeout;
connected(Peer, Tries) ->
    case net_kernel:connect_node(Peer) andalso rpc:call(Peer, erlang, whereis, [bench_peer]) of
        Pid when is_pid(Pid) -> ok;
        _ -> timer:sleep(50), connected(Peer, Tries - 1)
    end.

%% The other side, for OTP.
serve() ->
    spawn(fun() ->
        {ok, _} = pg:start(nova_scope),
        register(bench_peer, self()),
        peer()
    end).

%% The same for a program, which is told when it is there, and with whose pipe it ends.
serve(["for_program"]) ->
    serve(),
    await_name(),
    io:format("ready~n"),
    spawn(fun() -> eof = io:get_line(""), halt() end).

await_name() ->
    case whereis(bench_peer) of
        undefined -> timer:sleep(5), await_name();
        _ -> ok
    end.

peer() ->
    receive
        {sink, N, To} ->
            To ! {ready, spawn(fun() -> sink(N, To) end)},
            peer();
        {echo, To} ->
            To ! {ready, spawn(fun echo/0)},
            peer();
        {stream, Kind, Large, To} ->
            To ! {ready, spawn(fun() -> stream(Kind, Large) end)},
            peer();
        {large_sink, Told, To} ->
            To ! {ready, spawn(fun() -> large_sink(0, Told) end)},
            peer();
        {members, Count, Rounds, To} ->
            members(Count, Rounds, To),
            To ! {ready, self()},
            peer();
        {groups, Prefix, N, To} ->
            _ = groups(Prefix, N, To),
            To ! {ready, self()},
            peer()
    end.

ask(Peer, Request) ->
    Peer ! Request,
    receive {ready, Pid} -> Pid after ?LIMIT -> exit(timeout) end.

run("nodes_oneway", Peer) ->
    N = 200000,
    Note = note(),
    round(N / best(fun() ->
        Sink = ask(Peer, {sink, N, self()}),
        [Sink ! {nova_pubsub, notes, self(), "note_created", Note} || _ <- lists:seq(1, N)],
        await(done)
    end));
run("nodes_pingpong", Peer) ->
    N = 10000,
    Echo = ask(Peer, {echo, self()}),
    round(N / best(fun() -> pings(N, Echo) end));
run("nodes_beside_large_" ++ Row, Peer) ->
    [Kind | More] = string:lexemes(Row, "_"),
    Direction = case lists:member("away", More) of true -> away; false -> here end,
    Part = case lists:member("p99", More) of true -> 0.99; false -> 0.5 end,
    beside_large(list_to_atom(Kind), Direction, Part, Peer);
run("nodes_broadcast_1000", Peer) ->
    Members = 1000,
    Rounds = 200,
    _ = ask(Peer, {members, Members, Rounds, self()}),
    ok = await_members(Members),
    Note = note(),
    Seconds = best(fun() ->
        [begin
             Message = {nova_pubsub, notes, self(), "note_created", Note},
             [Pid ! Message || Pid <- pg:get_members(nova_scope, notes)]
         end || _ <- lists:seq(1, Rounds)],
        await(done)
    end),
    round(Members * Rounds / Seconds);
run("nodes_sync_10000_groups", {_, Node} = Peer) ->
    N = 10000,
    Follower = groups(ours, N, self()),
    _ = ask(Peer, {groups, theirs, N, self()}),
    %% This side follows from before the peer's groups are made; the peer finds the groups of this side there.
    await(synced),
    Best = lists:min([sync(Node, Follower) || _ <- lists:seq(1, 5)]),
    Best * 1000.

%% Round trips, in milliseconds, while large messages go to another process, here or away.
beside_large(Kind, Direction, Part, Peer) ->
    Count = 400,
    Self = self(),
    Echo = ask(Peer, {echo, Self}),
    case Direction of
        here ->
            Sink = spawn(fun() -> large_sink(0, Self) end),
            ask(Peer, {stream, Kind, Sink, Self});
        away ->
            Sink = ask(Peer, {large_sink, Self, Self}),
            spawn(fun() -> stream(Kind, Sink) end)
    end,
    await(flowing),
    Trips = lists:sort([seconds(fun() -> pings(1, Echo) end) || _ <- lists:seq(1, Count)]),
    lists:nth(floor(Count * Part) + 1, Trips) * 1000.

large_sink(Came, To) ->
    receive {Source, _} -> Source ! more end,
    Came =:= 3 andalso (To ! flowing),
    large_sink(Came + 1, To).

%% Two large messages, and another whenever the receiver asks for more.
stream(Kind, To) ->
    Byte = case Kind of text -> $x; bytes -> 255 end,
    Large = binary:copy(<<Byte>>, 16 * 1024 * 1024),
    [To ! {self(), Large} || _ <- [1, 2]],
    stream_more(Large, To).

stream_more(Large, To) ->
    receive more -> To ! {self(), Large} end,
    stream_more(Large, To).

sync(Node, Follower) ->
    Follower ! {await_left, self()},
    erlang:disconnect_node(Node),
    await(left),
    erlang:garbage_collect(),
    seconds(fun() ->
        true = net_kernel:connect_node(Node),
        await(synced),
        await(synced)
    end).

await(What) -> receive What -> ok after ?LIMIT -> exit({timeout, What}) end.

await_members(Count) ->
    case length(pg:get_members(nova_scope, notes)) of
        Count -> ok;
        _ -> timer:sleep(10), await_members(Count)
    end.

note() -> #{id => 1, title => <<"title">>, body => <<"body">>, author => <<"author">>}.

%% The best of five: what the machine can do when nothing else disturbs.
best(Work) ->
    lists:min([begin erlang:garbage_collect(), seconds(Work) end || _ <- lists:seq(1, 5)]).

seconds(Work) ->
    Start = erlang:monotonic_time(nanosecond),
    Work(),
    (erlang:monotonic_time(nanosecond) - Start) / 1.0e9.

sink(0, To) -> To ! done;
sink(N, To) -> receive {nova_pubsub, _, _, _, _} -> sink(N - 1, To) end.

echo() -> receive {ping, From} -> From ! pong, echo() end.

pings(0, _) -> ok;
pings(N, Echo) -> Echo ! {ping, self()}, receive pong -> pings(N - 1, Echo) end.

%% Members of the channel `notes`, of which all have to get all messages of a run.
members(Count, Rounds, To) ->
    Counter = spawn(fun() -> counter(Count, Count, To) end),
    ok = pg:join(nova_scope, notes, [spawn(fun() -> member(Rounds, Rounds, Counter) end) || _ <- lists:seq(1, Count)]).

counter(0, Count, To) -> To ! done, counter(Count, Count, To);
counter(Left, Count, To) -> receive done -> counter(Left - 1, Count, To) end.

member(0, Rounds, Counter) -> Counter ! done, member(Rounds, Rounds, Counter);
member(N, Rounds, Counter) ->
    receive {nova_pubsub, notes, _, "note_created", _} -> member(N - 1, Rounds, Counter) end.

%% A process in N groups of this node, and one that tells when N groups of another have come.
groups(Prefix, N, To) ->
    Pid = spawn(fun() -> receive stop -> ok end end),
    [ok = pg:join(nova_scope, {Prefix, I}, Pid) || I <- lists:seq(1, N)],
    spawn(fun() ->
        {Ref, _} = pg:monitor_scope(nova_scope),
        follow(Ref, N, 0, 0, To, none)
    end).

follow(Ref, N, N, Left, To, Waiting) -> To ! synced, follow(Ref, N, 0, Left, To, Waiting);
follow(Ref, N, Joined, N, To, {Waiting}) -> Waiting ! left, follow(Ref, N, Joined, 0, To, none);
follow(Ref, N, Joined, Left, To, Waiting) ->
    receive
        {Ref, join, _, _} -> follow(Ref, N, Joined + 1, Left, To, Waiting);
        {Ref, leave, _, _} -> follow(Ref, N, Joined, Left + 1, To, Waiting);
        {await_left, From} -> follow(Ref, N, Joined, 0, To, {From})
    end.
