%% The notes application of Nova's article on publish and subscribe: what its controller broadcasts, its WebSocket handler sends to a
%% client, and its indexer understands. Notes are maps with atoms for keys; topics are strings. It knows nothing of other
%% programs. `nova_pubsub' is as Nova has it; what belongs to Nova and its libraries besides (requests, frames, JSON) is here.
-module(nova_notes).
-behaviour(gen_server).
-export([create/2, update/2, delete/1]).
-export([connect/1, frames/1]).
-export([start_indexer/0, indexed/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

%% The controller. A process of its own handles each request.
create(Id, More) ->
    request(fun() -> nova_pubsub:broadcast(notes, "note_created", note(Id, <<"made in Nova">>, More)) end).

update(Id, More) ->
    request(fun() -> nova_pubsub:broadcast(notes, "note_updated", note(Id, <<"changed in Nova">>, More)) end).

delete(Id) ->
    request(fun() -> nova_pubsub:broadcast(notes, "note_deleted", #{id => Id}) end).

note(Id, Title, More) ->
    maps:merge(#{id => Id, title => Title, body => <<"text">>, author => <<"Nova">>}, More).

request(Action) ->
    {_, Monitor} = spawn_monitor(Action),
    receive {'DOWN', Monitor, process, _, normal} -> ok end.

%% The WebSocket handler of one client, and the frames that the client has got.
connect(Name) ->
    register(Name, spawn(fun() -> {ok, State} = websocket_init([]), serve(State) end)),
    ok.

frames(Name) ->
    Name ! {frames, self()},
    receive {frames, Frames} -> Frames end.

serve(Frames) ->
    receive
        {frames, Who} ->
            Who ! {frames, lists:reverse(Frames)},
            serve(Frames);
        Info ->
            case websocket_info(Info, Frames) of
                {reply, {text, Text}, State} -> serve([Text | State]);
                {ok, State} -> serve(State)
            end
    end.

websocket_init(State) ->
    nova_pubsub:join(notes),
    {ok, State}.

websocket_info({nova_pubsub, notes, _Sender, Topic, Payload}, State) ->
    Text = json(#{event => list_to_binary(Topic), data => Payload}),
    {reply, {text, iolist_to_binary(Text)}, State};
websocket_info(_Info, State) ->
    {ok, State}.

json(Map) when is_map(Map) ->
    Pairs = [[json(atom_to_binary(Key)), $:, json(Value)] || {Key, Value} <- maps:to_list(Map)],
    [${, lists:join($,, Pairs), $}];
json(Text) when is_binary(Text) ->
    [$", Text, $"];
json({{Year, Month, Day}, {Hour, Minute, Second}}) ->
    Format = "\"~4..0b-~2..0b-~2..0bT~2..0b:~2..0b:~2..0bZ\"",
    io_lib:format(Format, [Year, Month, Day, Hour, Minute, Second]);
json(Number) when is_integer(Number) ->
    integer_to_binary(Number).

%% The indexer.
start_indexer() -> gen_server:start({local, ?MODULE}, ?MODULE, [], []).

indexed() -> gen_server:call(?MODULE, indexed).

init([]) ->
    nova_pubsub:join(notes),
    {ok, #{}}.

handle_call(indexed, _From, Titles) -> {reply, Titles, Titles}.

handle_cast(_Request, Titles) -> {noreply, Titles}.

handle_info({nova_pubsub, notes, _Sender, "note_created", Note}, Titles) ->
    {noreply, Titles#{maps:get(id, Note) => maps:get(title, Note)}};
handle_info({nova_pubsub, notes, _Sender, "note_deleted", #{id := Id}}, Titles) ->
    {noreply, maps:remove(Id, Titles)};
handle_info(_Info, Titles) ->
    {noreply, Titles}.
