# The other half of elixir-node.ts: a GenServer that follows the channel `orders` and says which orders are paid.
defmodule Till do
  use GenServer

  def start_link, do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @impl true
  def init(nil) do
    :ok = :pg.join(:nova_scope, :orders, self())
    {:ok, 0}
  end

  # call(node, { name: 'Elixir.Till', node: ... }, 'total', undefined) in TypeScript
  @impl true
  def handle_call(:total, _from, total), do: {:reply, total, total}

  @impl true
  def handle_info({:nova_pubsub, :orders, _sender, ~c"placed", %{id: id, total: amount}}, total) do
    message = {:nova_pubsub, :orders, self(), ~c"paid", %{id: id}}
    for pid <- :pg.get_members(:nova_scope, :orders), do: send(pid, message)
    {:noreply, total + amount}
  end

  def handle_info({:nova_pubsub, :orders, _sender, ~c"paid", _order}, total), do: {:noreply, total}
end

{:ok, _} = :pg.start(:nova_scope)
true = Node.connect(:"shop@127.0.0.1")

# Scopes tell each other of their members when nodes connect: wait until those of the other node are known here.
case :pg.monitor(:nova_scope, :orders) do
  {ref, []} -> receive do: ({^ref, :join, :orders, _pids} -> :ok)
  {_ref, _members} -> :ok
end

{:ok, _} = Till.start_link()
IO.read(:stdio, :line)
