package sqlgen

import "slices"

// Shrink looks for a shorter script that still fails: it leaves out commands, in
// halves, quarters and so on to single ones, then single statements. tried is
// told of every attempt.
func Shrink(o Options, tried func(commands int, r *Report)) (smallest *Report, err error) {
	smallest, err = Run(o)
	if err != nil || smallest.Violation == "" {
		return smallest, err
	}
	try := func(script []Command) (bool, error) {
		o.Script = script
		r, err := Run(o)
		if err != nil {
			return false, err
		}
		tried(len(script), r)
		if r.Violation == "" {
			return false, nil
		}
		r.Script = script
		smallest = r
		return true, nil
	}
	for size := (len(smallest.Script) + 1) / 2; size > 0; size /= 2 {
		for from := 0; from < len(smallest.Script); {
			script := smallest.Script
			shorter := slices.Concat(script[:from], script[min(from+size, len(script)):])
			if len(shorter) == 0 {
				break
			}
			fails, err := try(shorter)
			if err != nil {
				return smallest, err
			}
			if !fails {
				from += size
			}
		}
	}
	return smallest, dropStatements(smallest.Script, try)
}

// dropStatements leaves out single statements of commands with several.
func dropStatements(script []Command, try func([]Command) (bool, error)) error {
	for i := range script {
		for k := 0; k < len(script[i].Statements) && len(script[i].Statements) > 1; {
			shorter := slices.Clone(script)
			shorter[i].Statements = slices.Concat(script[i].Statements[:k], script[i].Statements[k+1:])
			fails, err := try(shorter)
			if err != nil {
				return err
			}
			if fails {
				script = shorter
			} else {
				k++
			}
		}
	}
	return nil
}
