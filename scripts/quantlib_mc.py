#!/usr/bin/env python3
"""Times QuantLib's Monte Carlo engine on the yardstick option of `assay bench`: one core, pseudo-random
numbers, no variance reduction, the same paths and steps as our job. Prints one JSON object.

    python3 scripts/quantlib_mc.py [PATHS [STEPS]]      (100000 and 32; needs PyPI QuantLib 1.44)
"""
import json
import sys
import time

import QuantLib as ql

paths = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 32

today = ql.Date(30, 1, 2026)
ql.Settings.instance().evaluationDate = today
days = ql.Actual365Fixed()
spot = ql.QuoteHandle(ql.SimpleQuote(100.0))
rate = ql.YieldTermStructureHandle(ql.FlatForward(today, 0.05, days))
dividend = ql.YieldTermStructureHandle(ql.FlatForward(today, 0.0, days))
vol = ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), 0.20, days))
process = ql.BlackScholesMertonProcess(spot, dividend, rate, vol)
option = ql.VanillaOption(ql.PlainVanillaPayoff(ql.Option.Call, 100.0), ql.EuropeanExercise(today + 365))

best, price, error = None, None, None
for _ in range(3):
    option.setPricingEngine(
        ql.MCEuropeanEngine(process, "pseudorandom", timeSteps=steps, requiredSamples=paths, seed=7)
    )
    started = time.perf_counter()
    price = option.NPV()
    seconds = time.perf_counter() - started
    error = option.errorEstimate()
    best = seconds if best is None else min(best, seconds)

print(json.dumps({"paths": paths, "steps": steps, "seconds": best, "price": price, "error": error,
                  "quantlib": ql.__version__}))
