%% Processes that join and leave groups of a scope without rest, some of which end and are started anew, until they are told
%% to stop. The random numbers of each follow from the seed.
-module(pg_storm).
-export([start/4, stop/1]).

%% Starts Count processes, each of which joins and leaves some of the groups. Answers the process that watches over them.
start(Scope, Groups, Count, Seed) ->
    spawn(fun() ->
        process_flag(trap_exit, true),
        watch(Scope, Groups, [restless(Scope, Groups, {Seed, N, 0}) || N <- lists:seq(1, Count)], Seed)
    end).

%% Ends all change. What is a member then stays one.
stop(Storm) ->
    Ref = make_ref(),
    Storm ! {stop, self(), Ref},
    receive {Ref, Left} -> Left after 10000 -> error(storm) end.

watch(Scope, Groups, Pids, Seed) ->
    receive
        {'EXIT', Pid, _} ->
            Next = restless(Scope, Groups, {Seed, erlang:unique_integer([positive]), 1}),
            watch(Scope, Groups, [Next | lists:delete(Pid, Pids)], Seed);
        {stop, From, Ref} ->
            [calm(Pid) || Pid <- Pids],
            From ! {Ref, length(Pids)},
            receive never -> ok end
    end.

calm(Pid) ->
    Ref = monitor(process, Pid),
    Pid ! {calm, self()},
    receive
        {calmed, Pid} -> ok;
        {'DOWN', Ref, process, Pid, _} -> ok
    end.

restless(Scope, Groups, Seed) ->
    spawn_link(fun() -> rand:seed(exsss, Seed), restless(Scope, Groups) end).

restless(Scope, Groups) ->
    Group = lists:nth(rand:uniform(length(Groups)), Groups),
    Times = lists:duplicate(rand:uniform(3), self()),
    case rand:uniform(12) of
        1 -> exit(weary);
        N when N < 7 -> pg:join(Scope, Group, one_or_many(Times));
        _ -> pg:leave(Scope, Group, one_or_many(Times))
    end,
    receive
        {calm, From} -> From ! {calmed, self()}, receive never -> ok end
    after rand:uniform(3) - 1 -> restless(Scope, Groups)
    end.

one_or_many([Pid]) -> Pid;
one_or_many(Pids) -> Pids.
