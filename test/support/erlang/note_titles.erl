%% An indexer in Erlang, as it would be written beside nova_pubsub: it follows the channel notes and keeps the titles.
-module(note_titles).
-behaviour(gen_server).
-export([start_link/0, titles/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

start_link() -> gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).
titles()     -> gen_server:call(?MODULE, titles).

init([]) ->
    ok = pg:join(nova_scope, notes, self()),
    {ok, #{}}.

handle_call(titles, _From, Titles) ->
    {reply, Titles, Titles}.

handle_cast(_Request, Titles) ->
    {noreply, Titles}.

handle_info({nova_pubsub, notes, _Sender, "note_created", Note}, Titles) ->
    {noreply, Titles#{maps:get(id, Note) => maps:get(title, Note)}};
handle_info({nova_pubsub, notes, _Sender, "note_updated", #{id := Id, title := Title}}, Titles) ->
    {noreply, Titles#{Id => Title}};
handle_info({nova_pubsub, notes, _Sender, "note_deleted", #{id := Id}}, Titles) ->
    {noreply, maps:remove(Id, Titles)}.
