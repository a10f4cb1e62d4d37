%% A gen_server that answers what it is asked, for tests of calls from other nodes.
-module(echo_server).
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2]).

init([]) -> {ok, []}.

handle_call(ping, _From, Notes) -> {reply, pong, Notes};
handle_call(self, _From, Notes) -> {reply, self(), Notes};
handle_call(who, {Pid, _Tag}, Notes) -> {reply, Pid, Notes};
handle_call(notes, _From, Notes) -> {reply, lists:reverse(Notes), Notes};
handle_call({echo, Term}, _From, Notes) -> {reply, Term, Notes};
handle_call({'after', Time, Term}, _From, Notes) -> timer:sleep(Time), {reply, Term, Notes};
handle_call({crash, Reason}, _From, _Notes) -> exit(Reason);
handle_call(Other, _From, Notes) -> {reply, {other, Other}, Notes}.

handle_cast(Note, Notes) -> {noreply, [Note | Notes]}.
