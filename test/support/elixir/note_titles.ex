# What the guide on clustering shows: an indexer of the titles of notes, in Elixir.
defmodule NoteTitles do
  use GenServer

  def start_link(_options \\ []), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def titles, do: GenServer.call(__MODULE__, :titles)

  @impl true
  def init(nil) do
    :ok = :pg.join(:nova_scope, :notes, self())
    {:ok, %{}}
  end

  @impl true
  def handle_call(:titles, _from, titles), do: {:reply, titles, titles}

  @impl true
  def handle_info({:nova_pubsub, :notes, _sender, topic, note}, titles) do
    case topic do
      ~c"note_deleted" -> {:noreply, Map.delete(titles, note.id)}
      _created_or_updated -> {:noreply, Map.put(titles, note.id, note.title)}
    end
  end
end
