% Lists, for ProbLog programs that say `:- use_module(library(lists)).`
% Each runs from what it is asked for: the lists given, the rest computed.

member(X, [X | _]).
member(X, [_ | Rest]) :- member(X, Rest).

append([], L, L).
append([X | L1], L2, [X | L3]) :- append(L1, L2, L3).

select(X, [X | Rest], Rest).
select(X, [Y | Rest], [Y | More]) :- select(X, Rest, More).

nth0(0, [X | _], X).
nth0(N, [_ | Rest], X) :- nth0(M, Rest, X), N is M + 1.

nth1(1, [X | _], X).
nth1(N, [_ | Rest], X) :- nth1(M, Rest, X), N is M + 1.

last([X], X).
last([_, Y | Rest], X) :- last([Y | Rest], X).

sum_list([], 0).
sum_list([X | Rest], S) :- sum_list(Rest, R), S is R + X.

max_list([X], X).
max_list([X, Y | Rest], M) :- max_list([Y | Rest], N), M is max(X, N).

min_list([X], X).
min_list([X, Y | Rest], M) :- min_list([Y | Rest], N), M is min(X, N).

numlist(Low, High, []) :- Low > High.
numlist(Low, High, [Low | Rest]) :- Low =< High, Next is Low + 1, numlist(Next, High, Rest).

% select_weighted(Id, Weights, Values, Value, Rest): one value, with a chance in proportion to its weight; the same
% Id, weights and values always give the same value. Each value in turn is taken or passed over for good.
select_weighted(Id, Weights, Values, Value, Rest) :-
    sum_list(Weights, Total), Total > 0, taken(Id, Total, Weights, Values, Value, Rest).

taken(_, _, [_], [X], X, []).
taken(Id, Total, [W, V | Ws], [X, Y | Xs], X, [Y | Xs]) :-
    P is W / Total, takes(Id, P, [V | Ws], X, [Y | Xs]).
taken(Id, Total, [W, V | Ws], [X, Y | Xs], Value, [X | Rest]) :-
    P is W / Total, \+ takes(Id, P, [V | Ws], X, [Y | Xs]),
    Left is Total - W, taken(Id, Left, [V | Ws], [Y | Xs], Value, Rest).

P::takes(_, P, _, _, _).

select_uniform(Id, Values, Value, Rest) :-
    length(Values, Number), Number > 0, ones(Values, Weights), select_weighted(Id, Weights, Values, Value, Rest).

ones([], []).
ones([_ | Rest], [1 | Ones]) :- ones(Rest, Ones).
