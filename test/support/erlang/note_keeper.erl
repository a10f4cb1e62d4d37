%% A server of a Nova application: a member of `notes' that matches its messages by atoms and strings, and knows nothing of
%% where they come from. It keeps what it understood, and what it did not.
-module(note_keeper).
-behaviour(gen_server).
-export([start/0, kept/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

start() -> gen_server:start({local, ?MODULE}, ?MODULE, [], []).

kept() -> gen_server:call(?MODULE, kept).

init([]) ->
    nova_pubsub:join(notes),
    {ok, []}.

handle_call(kept, _From, Kept) -> {reply, lists:reverse(Kept), Kept}.

handle_cast(_Request, Kept) -> {noreply, Kept}.

handle_info({nova_pubsub, notes, Sender, "note_created", Note}, Kept) ->
    {noreply, [{created, maps:get(title, Note), Note, Sender} | Kept]};
handle_info({nova_pubsub, notes, _Sender, "note_deleted", #{id := Id}}, Kept) ->
    {noreply, [{deleted, Id} | Kept]};
handle_info(Other, Kept) ->
    {noreply, [{other, Other} | Kept]}.
