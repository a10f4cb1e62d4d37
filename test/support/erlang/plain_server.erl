%% A gen_server that knows one call and no system message of its own, and a supervisor of such: code of an application that has
%% nothing to do with what is tested. Its server ends of a call that it does not know, as most do.
-module(plain_server).
-behaviour(gen_server).
-export([start/2, start_link/2, start_supervisor/1]).
-export([init/1, handle_call/3, handle_cast/2]).

start(Name, State) -> gen_server:start({local, Name}, ?MODULE, {server, State}, []).
start_link(Name, State) -> gen_server:start_link({local, Name}, ?MODULE, {server, State}, []).

%% With the servers `one' and `two' under it.
start_supervisor(Name) ->
    {ok, Pid} = supervisor:start_link({local, Name}, ?MODULE, supervisor),
    unlink(Pid),
    {ok, Pid}.

init({server, State}) ->
    {ok, State};
init(supervisor) ->
    Child = fun(Id) -> #{id => Id, start => {?MODULE, start_link, [Id, Id]}} end,
    {ok, {#{}, [Child(one), Child(two)]}}.

handle_call(state, _From, State) -> {reply, State, State}.

handle_cast(stop, State) -> {stop, normal, State}.
