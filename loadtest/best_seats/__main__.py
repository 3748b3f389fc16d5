"""python -m loadtest.best_seats [--against FOLDER] [--fills 200] [--sales 4]"""

from loadtest.best_seats.measuring import main

main()
