%% The server of the call workload: echoes, and counts in its state.
-module(troupe_bench_server).
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2]).

init([]) -> {ok, 0}.
handle_call({echo, X}, _From, Count) -> {reply, X, Count + 1}.
handle_cast(_, Count) -> {noreply, Count}.
