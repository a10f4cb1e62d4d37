%% Terms of every kind for round trips: a list of particular ones, and random ones from a seed.
-module(terms).
-export([particular/0, random/2, differing/3]).

particular() ->
    [0, 1, -1, 255, 256, -256, 1.0, -1.0, 0.0, -0.0, 1.5, 1.0e308, 5.0e-324,
     9007199254740991, 9007199254740992, 9007199254740993, -9007199254740991, -9007199254740992]
    ++ [(1 bsl N) + D || N <- [7, 8, 15, 16, 27, 28, 31, 32, 53, 59, 60, 63, 64, 65, 2000, 2048], D <- [-1, 0, 1]]
    ++ [-((1 bsl N) + D) || N <- [7, 8, 31, 32, 53, 59, 63, 64, 65, 2048], D <- [-1, 0, 1]]
    ++ ['', a, true, false, nil, undefined, null, infinity, normal, 'Elixir.Foo', 'with space', 'å', '漢',
        list_to_atom(lists:duplicate(255, $x)), list_to_atom(lists:duplicate(255, 16#1F600))]
    ++ [<<>>, <<"text">>, <<"åäö"/utf8>>, <<0>>, <<255, 254>>, <<16#ed, 16#a0, 16#80>>, <<1:1>>, <<5:3>>, <<255, 1:7>>,
        binary:copy(<<"x">>, 70000), binary:copy(<<200>>, 70000), <<16#ef, 16#bb, 16#bf, "bom">>]
    ++ [[], [1], [1 | 2], [1, 2 | a], [[] | []], [[] | <<"t">>], "charlist", "漢字", [1.0], [[]], [[[]]],
        lists:duplicate(65535, 7), lists:duplicate(65536, 7), lists:duplicate(65536, 300), [-1], [256]]
    ++ [{}, {1}, {a, b}, {{}}, list_to_tuple(lists:seq(1, 255)), list_to_tuple(lists:seq(1, 256)),
        {'EXIT', self(), killed}, {'DOWN', make_ref(), process, self(), noproc}, {nova_pubsub, notes, self(), "t", #{}},
        {nova_pubsub, <<"c">>, self(), <<"t">>, 1}, {'$gen_cast', {a, 1}}, {'$gen_cast', plain}, {'$gen_cast', {a, 1, 2}},
        {'$gen_call', {self(), make_ref()}, {a, 1}}, {'$gen_call', {self(), [alias | make_ref()]}, x}]
    ++ [#{}, #{a => 1}, #{<<"a">> => 1}, #{<<"a">> => 1, a => 2}, #{1 => a, 1.0 => b}, #{{1, 2} => [x]}, #{#{} => #{}},
        #{[] => 1, <<>> => 2, {} => 3}, #{<<"__proto__">> => 1, <<"constructor">> => 2}, #{-0.0 => 1}, #{"list" => 1},
        #{<<255>> => 1, <<1:1>> => 2}, #{true => 1, nil => 2, undefined => 3},
        maps:from_list([{I, I} || I <- lists:seq(1, 100)]),
        maps:from_list([{integer_to_binary(I), I} || I <- lists:seq(1, 100)])]
    ++ [self(), make_ref(), alias(), hd(erlang:ports()), fun lists:map/2, fun erlang:self/0, fun() -> ok end,
        (fun(X) -> fun(Y) -> {X, Y, self()} end end)(make_ref()),
        [alias | make_ref()], {self(), [alias | alias()]}].

%% A term from a seed: always the same for the same seed. The size bounds how many values it has, about.
random(Seed, Size) ->
    _ = rand:seed(exsss, Seed),
    term(Size).

term(Size) when Size =< 1 -> leaf(rand:uniform(9));
term(Size) ->
    case rand:uniform(5) of
        1 -> [term(Size div 3) || _ <- lists:seq(1, rand:uniform(4))];
        2 -> list_to_tuple([term(Size div 3) || _ <- lists:seq(1, rand:uniform(4))]);
        3 -> maps:from_list([{term(Size div 6), term(Size div 6)} || _ <- lists:seq(1, rand:uniform(4))]);
        4 -> [term(Size div 4), term(Size div 4) | term(Size div 4)];
        5 -> leaf(rand:uniform(9))
    end.

leaf(1) -> rand:uniform(600) - 300;
leaf(2) -> (1 bsl rand:uniform(100)) * (rand:uniform(3) - 2) + rand:uniform(3) - 2;
leaf(3) -> rand:normal() * math:pow(10, rand:uniform(40) - 20);
leaf(4) -> float(rand:uniform(10) - 5);
leaf(5) -> lists:nth(rand:uniform(6), [a, true, nil, undefined, normal, list_to_atom("å" ++ integer_to_list(rand:uniform(9)))]);
leaf(6) -> rand:bytes(rand:uniform(20));
leaf(7) -> unicode:characters_to_binary([rand:uniform(16#D7FF) || _ <- lists:seq(1, rand:uniform(9))]);
leaf(8) -> <<(rand:bytes(3))/binary, (rand:uniform(8)):(rand:uniform(7))>>;
leaf(9) -> lists:nth(rand:uniform(4), [self(), [], [rand:uniform(255), rand:uniform(300)], fun lists:seq/2]).

%% Sends terms to a process that sends them back, one by one, and answers those that came back otherwise.
differing(To, Wrap, Terms) ->
    lists:filtermap(fun(Term) ->
        To ! {self(), Wrap(Term)},
        receive
            {back, Back} ->
                Wrapped = Wrap(Term),
                case Back =:= Wrapped andalso term_to_binary(Back) =:= term_to_binary(Wrapped) of
                    true -> false;
                    false -> {true, {Term, Back}}
                end
        after 10000 -> {true, {Term, nothing}}
        end
    end, Terms).
