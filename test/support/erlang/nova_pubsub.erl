%% The channels of the Nova framework as its users know them: functions, record and scope have the same names and forms.
-module(nova_pubsub).
-export([start/0, join/1, join/2, leave/1, leave/2, get_members/1, get_local_members/1]).
-export([broadcast/3, local_broadcast/3]).

-record(nova_pubsub, {channel, sender, topic, payload}).

start() -> pg:start(nova_scope).

join(Channel) -> join(Channel, self()).
join(Channel, Pid) -> pg:join(nova_scope, Channel, Pid).

leave(Channel) -> leave(Channel, self()).
leave(Channel, Pid) -> pg:leave(nova_scope, Channel, Pid).

get_members(Channel) -> pg:get_members(nova_scope, Channel).
get_local_members(Channel) -> pg:get_local_members(nova_scope, Channel).

broadcast(Channel, Topic, Payload) -> deliver(get_members(Channel), Channel, Topic, Payload).

local_broadcast(Channel, Topic, Payload) -> deliver(get_local_members(Channel), Channel, Topic, Payload).

deliver(Members, Channel, Topic, Payload) ->
    Message = #nova_pubsub{channel = Channel, sender = self(), topic = Topic, payload = Payload},
    lists:foreach(fun(Member) -> Member ! Message end, Members).
