package pgtype

import (
	"math/big"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// NumericSum adds up the numbers of a JSON array of stored numerics, as
// json_group_array makes it; NULL when there are none. Like the other
// arithmetic on numeric it is exact, and rounded once.
func NumericSum(array []byte) (value.Value, error) {
	sum, n, err := numericTotal(array)
	if err != nil || n == 0 {
		return value.Value{}, err
	}
	return ratNumeric(sum)
}

// NumericAvg is the mean of those numbers.
func NumericAvg(array []byte) (value.Value, error) {
	sum, n, err := numericTotal(array)
	if err != nil || n == 0 {
		return value.Value{}, err
	}
	return ratNumeric(sum.Quo(sum, new(big.Rat).SetInt64(n)))
}

// numericTotal adds decimals of the same number of fraction digits as whole
// numbers, which is as good as always; digits and exponents that are more go
// through big.Rat.
func numericTotal(array []byte) (sum *big.Rat, n int64, err error) {
	var whole [total + 1]big.Int // whole[k]: in units of 10^-k
	var part [total + 1]int64    // what was not added to whole yet
	rest := new(big.Rat)
	for i := 0; i < len(array); {
		if c := array[i]; c == '[' || c == ']' || c == ',' {
			i++
			continue
		}
		end := i
		for end < len(array) && array[end] != ',' && array[end] != ']' {
			end++
		}
		word := array[i:end]
		i = end
		if string(word) == "null" {
			continue
		}
		d, ok := parseDecimal(word)
		if !ok {
			return nil, 0, errcode.Newf(errcode.NumericValueOutOfRange, "value overflows numeric format")
		}
		n++
		scale := max(len(d.digits)-d.point, 0)
		scaled := d
		scaled.point += scale
		unit, fits := scaled.int64()
		if scale > total || !fits {
			r, ok := new(big.Rat).SetString(string(word))
			if !ok {
				return nil, 0, errcode.Newf(errcode.NumericValueOutOfRange, "value overflows numeric format")
			}
			rest.Add(rest, r)
			continue
		}
		if s := part[scale] + unit; (s > unit) == (part[scale] > 0) {
			part[scale] = s
			continue
		}
		whole[scale].Add(&whole[scale], big.NewInt(part[scale]))
		part[scale] = unit
	}
	power := big.NewInt(1)
	for k := range whole {
		whole[k].Add(&whole[k], big.NewInt(part[k]))
		rest.Add(rest, new(big.Rat).SetFrac(&whole[k], power))
		power.Mul(power, big.NewInt(10))
	}
	return rest, n, nil
}

// total is the most fraction digits that are added as whole numbers.
const total = 20
