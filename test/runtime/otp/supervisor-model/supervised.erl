%% The programs of program.ts on OTP's supervisor. After the start and after each burst, once the supervisor has nothing more
%% to do, it prints a line of JSON: what can be seen, as the reference shows it.
-module(supervised).
-behaviour(supervisor).
-export([main/1, init/1, start_child/2]).

%% Programs are terms in a file: {Strategy, Intensity, AutoShutdown, Specs, Plans, Bursts}.
main(File) ->
    process_flag(trap_exit, true),
    logger:set_primary_config(level, none),
    {ok, Programs} = file:consult(File),
    lists:foreach(fun program/1, Programs).

program({Strategy, Intensity, AutoShutdown, Specs, Plans, Bursts}) ->
    %% Of each child: {Id, Plan}; of each process: {{pid, Pid}, Number}, {{id, Id}, Pid}.
    ets:new(table, [named_table, public]),
    ets:insert(table, {processes, 0}),
    [ets:insert(table, {{plan, Id}, Outcomes}) || {Id, Outcomes} <- Plans],
    Flags = #{strategy => Strategy, intensity => Intensity, period => 3600, auto_shutdown => AutoShutdown},
    case supervisor:start_link(?MODULE, {Flags, [spec(Spec) || Spec <- Specs]}) of
        {ok, Supervisor} ->
            show([], Supervisor, null),
            bursts(Bursts, Supervisor);
        {error, {shutdown, {failed_to_start_child, Id, _}}} ->
            receive {'EXIT', _, _} -> ok end,
            show([], undefined, ["failed_to_start_child ", atom_to_list(Id)])
    end,
    ets:delete(table),
    io:format("end~n").

init({Flags, Specs}) -> {ok, {Flags, Specs}}.

bursts([], Supervisor) ->
    unlink(Supervisor),
    Ref = monitor(process, Supervisor),
    exit(Supervisor, kill),
    receive {'DOWN', Ref, _, _, _} -> ok end;
bursts([Burst | Bursts], Supervisor) ->
    sys:suspend(Supervisor),
    Requests = lists:flatmap(fun(Op) -> operation(Op, Supervisor) end, Burst),
    sys:resume(Supervisor),
    Answers = [answer(gen_server:wait_response(Request, infinity)) || Request <- Requests],
    case rest(Supervisor) of
        ok ->
            show(Answers, Supervisor, null),
            bursts(Bursts, Supervisor);
        {ended, Reason} ->
            show(Answers, undefined, atom_to_list(Reason))
    end.

%% What happens; a request answers its number.
operation({crash, Id, Reason}, _) ->
    case ets:lookup(table, {id, Id}) of
        [{_, Pid}] ->
            Ref = monitor(process, Pid),
            case Reason of
                kill -> exit(Pid, kill);
                _ -> Pid ! {finish, Reason}
            end,
            receive {'DOWN', Ref, _, _, _} -> [] end;
        [] ->
            []
    end;
operation({plan, Id, Outcomes}, _) ->
    ets:insert(table, {{plan, Id}, Outcomes}),
    [];
operation({start, Spec}, Supervisor) ->
    [gen_server:send_request(Supervisor, {start_child, spec(Spec)})];
operation({Name, Id}, Supervisor) ->
    [gen_server:send_request(Supervisor, {request(Name), Id})].

request(terminate) -> terminate_child;
request(restart) -> restart_child;
request(delete) -> delete_child.

%% Waits until the supervisor has handled everything, its own attempts to restart included.
rest(Supervisor) ->
    receive
        {'EXIT', Supervisor, Reason} -> {ended, Reason}
    after 0 ->
        erlang:yield(),
        try [restarting || {_, restarting, _, _} <- supervisor:which_children(Supervisor)] of
            [] -> case process_info(Supervisor, message_queue_len) of
                {_, 0} -> ok;
                _ -> rest(Supervisor)
            end;
            _ -> rest(Supervisor)
        catch exit:_ -> receive {'EXIT', Supervisor, Reason} -> {ended, Reason} end
        end
    end.

%% ---- children ----

spec({Id, Restart, Significant, Shutdown}) ->
    #{id => Id, start => {?MODULE, start_child, [Id, Shutdown]}, restart => Restart,
      significant => Significant, shutdown => Shutdown}.

%% Runs in the supervisor.
start_child(Id, _Shutdown) ->
    Outcome = case ets:lookup(table, {plan, Id}) of
        [{Key, [Next | Rest]}] -> ets:insert(table, {Key, Rest}), Next;
        _ -> ok
    end,
    log(io_lib:format("start ~s ~s", [Id, Outcome])),
    case Outcome of
        fail -> {error, planned};
        ignore -> ignore;
        ok ->
            Pid = proc_lib:spawn_link(fun() -> live(Id) end),
            Pid ! {ready, self()},
            receive {ready, Pid} -> ok end,
            ets:insert(table, [{{pid, Pid}, ets:update_counter(table, processes, 1)}, {{id, Id}, Pid}]),
            {ok, Pid}
    end.

live(Id) ->
    process_flag(trap_exit, true),
    receive {ready, Supervisor} -> Supervisor ! {ready, self()} end,
    receive
        {finish, Reason} -> exit(Reason);
        {'EXIT', _, Reason} -> log(io_lib:format("stop ~s", [Id])), exit(Reason)
    end.

log(Line) ->
    ets:insert(table, {{log, erlang:unique_integer([monotonic])}, lists:flatten(Line)}).

%% ---- what is seen ----

answer({reply, ok}) -> "ok";
answer({reply, {ok, Child}}) -> ["ok ", number(Child)];
answer({reply, {error, {already_started, Child}}}) -> ["already_started ", number(Child)];
answer({reply, {error, Word}}) when Word =:= already_present; Word =:= not_found; Word =:= running; Word =:= restarting ->
    atom_to_list(Word);
answer({reply, {error, _}}) -> "start_failed";
answer({error, _}) -> "down".

number(Pid) when is_pid(Pid) -> integer_to_list(ets:lookup_element(table, {pid, Pid}, 2));
number(Word) -> atom_to_list(Word).

show(Answers, Supervisor, Ended) ->
    %% The last started comes first.
    Children = case Supervisor of
        undefined -> [];
        _ -> lists:reverse(supervisor:which_children(Supervisor))
    end,
    Log = lists:sort(ets:match_object(table, {{log, '_'}, '_'})),
    ets:match_delete(table, {{log, '_'}, '_'}),
    io:format("{\"answers\":~s,\"log\":~s,\"children\":~s,\"ended\":~s}~n", [
        array([text(Answer) || Answer <- Answers]),
        array([text(Line) || {_, Line} <- Log]),
        array([array([text(atom_to_list(Id)), text(number(Child))]) || {Id, Child, _, _} <- Children]),
        case Ended of null -> "null"; _ -> text(Ended) end
    ]).

array(Items) -> ["[", lists:join(",", Items), "]"].

text(Text) -> ["\"", Text, "\""].
