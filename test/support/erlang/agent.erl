%% Processes for tests: one that does what it is told and keeps what it gets, one that answers, one that counts.
-module(agent).
-export([start/1, run/2, kept/1, clear/1, echo/1, counter/2, flood/3]).

%% Starts a process that runs functions in itself and keeps all other messages.
start(Name) ->
    registered(Name, fun() -> agent([]) end).

agent(Kept) ->
    receive
        {'$run', From, Fun} -> From ! {'$ran', Fun()}, agent(Kept);
        {'$kept', From} -> From ! {'$kept', lists:reverse(Kept)}, agent(Kept);
        '$clear' -> agent([]);
        Message -> agent([Message | Kept])
    end.

run(Name, Fun) ->
    Name ! {'$run', self(), Fun},
    receive {'$ran', Value} -> Value end.

kept(Name) ->
    Name ! {'$kept', self()},
    receive {'$kept', Kept} -> Kept end.

clear(Name) ->
    Name ! '$clear',
    ok.

%% Answers {From, Message} with {Message, self()}.
echo(Name) ->
    registered(Name, fun Loop() ->
        receive {From, Message} -> From ! {Message, self()}, Loop() end
    end).

%% Awaits {Sender, 1}, {Sender, 2} to {Sender, N} from each sender; keeps the first that is out of order.
counter(Name, N) ->
    registered(Name, fun() -> count(#{}, N) end).

count(Seen, N) ->
    receive
        {'$kept', From} ->
            From ! {'$kept', lists:sort(maps:to_list(Seen))},
            count(Seen, N);
        {Sender, I} ->
            case maps:get(Sender, Seen, 0) of
                Last when I =:= Last + 1 -> count(Seen#{Sender => I}, N);
                Last -> agent([{out_of_order, Sender, Last, I}])
            end
    end.

%% Sends {Sender, 1} to {Sender, N}.
flood(To, Sender, N) ->
    spawn(fun() -> [To ! {Sender, I} || I <- lists:seq(1, N)] end),
    ok.

registered(Name, Fun) ->
    Pid = spawn(Fun),
    register(Name, Pid),
    Pid.
