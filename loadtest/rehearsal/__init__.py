"""`stampede rehearse`: sells a shadow of a real session to a crowd, and says how it went (docs/rehearsal.md).

command     the steps, the exit code; always the cleaning at the end
asking      what was asked for, parsed strictly
target      the platform that runs, and every reason not to rehearse on it
people      the curve, and what each of the crowd is going to do; locustfile does it
predicting  what the planner says of the same sale
faults      what goes wrong on demand
watching    CPU by kind of program, the platform's own counters
cleaning    everything gone, also what a killed rehearsal left
findings    from answers, samples and rows to figures, objectives and the first limit
report      the findings in words; page: as one HTML page
beside      for docs/rehearsal.md: a rehearsal and the real sale after it
"""
