"""What flujo spends on handing a run's state to our backend, without the part that grows.

After every step flujo writes the whole history of the run out anew, one model at a time, before it
asks the backend to save it: 100 trivial steps take 10 ms without a backend, 80 with one that does
nothing (0.6: 0.1 s and 3.5 s). Where the backend is ours, one object stands for that history, and
only the entries that are new are written out. Every other backend is handed what it always was.

`state_manager` replaces the methods of flujo's that save and load; `written_history` and `context`
write out what they are handed, and `stand_in` is what flujo is handed in its place.
"""
