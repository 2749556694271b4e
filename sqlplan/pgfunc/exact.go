package pgfunc

import (
	"math"
	"math/big"
)

// The transcendental functions, computed with big.Float, which is integer
// arithmetic: the same bits on every machine. (The standard library's use
// assembly or fused multiply-add on some.) The working precision is so far
// beyond a double's that the result is the nearest double but for one case in
// 2^60 or so, and then it is still the same everywhere. A call takes some tens
// of microseconds.

// precision is in bits; a double has 53.
const precision = 160

func newFloat(x float64) *big.Float { return new(big.Float).SetPrec(precision).SetFloat64(x) }
func zero() *big.Float              { return new(big.Float).SetPrec(precision) }
func toFloat(x *big.Float) float64  { f, _ := x.Float64(); return f }

var (
	bigLn2  = lnOfRatio(2)
	bigLn10 = func() *big.Float { // ln 10 = 3 ln 2 + ln 1.25
		three := zero().Mul(newFloat(3), bigLn2)
		return three.Add(three, lnOfRatio(1.25))
	}()
	bigPi     = machinPi(precision)
	reducedPi = machinPi(reducedBits)
)

// reducedBits leave 64 to be lost when a multiple of π/2 is close by.
const reducedBits = precision + 80

// lnOfRatio is the logarithm of a number near 1, by ln x = 2 artanh((x-1)/(x+1)).
func lnOfRatio(x float64) *big.Float { return lnNear1(newFloat(x)) }

func lnNear1(x *big.Float) *big.Float {
	one := newFloat(1)
	y := zero().Quo(zero().Sub(x, one), zero().Add(x, one))
	square := zero().Mul(y, y)
	sum, power := zero().Set(y), zero().Set(y)
	for n := 3.0; ; n += 2 {
		power.Mul(power, square)
		if power.Sign() == 0 || power.MantExp(nil) < y.MantExp(nil)-precision {
			break
		}
		sum.Add(sum, zero().Quo(power, newFloat(n)))
	}
	return sum.Add(sum, zero().Set(sum))
}

// machinPi is Machin's formula, 16 arctan 1/5 - 4 arctan 1/239.
func machinPi(bits uint) *big.Float {
	a := new(big.Float).SetPrec(bits).Mul(new(big.Float).SetPrec(bits).SetInt64(16), arctanInverse(5, bits))
	b := new(big.Float).SetPrec(bits).Mul(new(big.Float).SetPrec(bits).SetInt64(4), arctanInverse(239, bits))
	return a.Sub(a, b)
}

func arctanInverse(n int64, bits uint) *big.Float {
	one := new(big.Float).SetPrec(bits).SetInt64(1)
	x := new(big.Float).SetPrec(bits).SetInt64(n)
	square := new(big.Float).SetPrec(bits).Mul(x, x)
	power := new(big.Float).SetPrec(bits).Quo(one, x)
	sum := new(big.Float).SetPrec(bits).Set(power)
	for k := int64(3); power.MantExp(nil) > -int(bits)-8; k += 2 {
		power.Quo(power, square)
		power.Neg(power)
		sum.Add(sum, new(big.Float).SetPrec(bits).Quo(power, new(big.Float).SetPrec(bits).SetInt64(k)))
	}
	return sum
}

// bigLn is the natural logarithm of a positive finite number.
func bigLn(x float64) *big.Float {
	m := newFloat(x)
	exponent := m.MantExp(m) // 0.5 ≤ m < 1
	if toFloat(m) < math.Sqrt2/2 {
		m.SetMantExp(m, 1)
		exponent--
	}
	if m.Cmp(newFloat(1)) == 0 {
		return zero().Mul(newFloat(float64(exponent)), bigLn2)
	}
	ln := lnNear1(m)
	return ln.Add(ln, zero().Mul(newFloat(float64(exponent)), bigLn2))
}

// bigExp is e^x for |x| below some thousands: x = k ln 2 + r, and e^r by the
// series for r/256, squared eight times.
func bigExp(x *big.Float) *big.Float {
	const halvings = 8
	k := math.Round(toFloat(zero().Quo(x, bigLn2)))
	r := zero().Sub(x, zero().Mul(newFloat(k), bigLn2))
	r.SetMantExp(r, -halvings)
	sum, term := newFloat(1), newFloat(1)
	for n := 1.0; term.Sign() != 0 && term.MantExp(nil) > -precision; n++ {
		term.Mul(term, r)
		term.Quo(term, newFloat(n))
		sum.Add(sum, term)
	}
	for range halvings {
		sum.Mul(sum, sum)
	}
	return sum.SetMantExp(sum, int(k))
}

// beyondDouble is an exponent of e whose power no double can hold.
const beyondDouble = 800

func exactExp(x float64) float64 {
	switch {
	case x > beyondDouble:
		return math.Inf(1)
	case x < -beyondDouble:
		return 0
	}
	return toFloat(bigExp(newFloat(x)))
}

func exactLn(x float64) float64 {
	if math.IsInf(x, 1) {
		return x
	}
	return toFloat(bigLn(x))
}

func exactLog10(x float64) float64 {
	if math.IsInf(x, 1) {
		return x
	}
	return toFloat(zero().Quo(bigLn(x), bigLn10))
}

func exactLogBase(b, x float64) float64 {
	if math.IsInf(b, 0) || math.IsInf(x, 0) {
		return exactLn(x) / exactLn(b)
	}
	return toFloat(zero().Quo(bigLn(x), bigLn(b)))
}

// exactPow follows C's pow for the special numbers (PostgreSQL refuses some
// before).
func exactPow(x, y float64) float64 {
	switch {
	case y == 0 || x == 1:
		return 1
	case x == 0 || math.IsInf(x, 0) || math.IsInf(y, 0):
		return math.Pow(x, y) // no rounding is involved
	}
	ln := bigLn(math.Abs(x))
	product := zero().Mul(ln, newFloat(y))
	sign := 1.0
	if x < 0 && math.Mod(y, 2) != 0 {
		sign = -1
	}
	switch f := toFloat(product); {
	case f > beyondDouble:
		return sign * math.Inf(1)
	case f < -beyondDouble:
		return 0
	}
	return sign * toFloat(bigExp(product))
}

func exactCbrt(x float64) float64 {
	if x == 0 || math.IsInf(x, 0) {
		return x
	}
	root := toFloat(bigExp(zero().Quo(bigLn(math.Abs(x)), newFloat(3))))
	return math.Copysign(root, x)
}

// reduce takes x modulo π/2 and returns the quadrant. Large numbers need as
// many more bits of π as their exponent has.
func reduce(x float64) (r *big.Float, quadrant int64) {
	bits := uint(reducedBits)
	pi := reducedPi
	if extra := newFloat(x).MantExp(nil); extra > 8 {
		bits += uint(extra)
		pi = machinPi(bits)
	}
	half := new(big.Float).SetPrec(bits).SetMantExp(pi, -1)
	n := new(big.Float).SetPrec(bits).Quo(new(big.Float).SetPrec(bits).SetFloat64(x), half)
	if n.Sign() < 0 {
		n.Sub(n, big.NewFloat(0.5))
	} else {
		n.Add(n, big.NewFloat(0.5))
	}
	k, _ := n.Int(nil)
	rest := new(big.Float).SetPrec(bits).SetInt(k)
	rest.Mul(rest, half)
	rest.Sub(new(big.Float).SetPrec(bits).SetFloat64(x), rest)
	return zero().Set(rest), new(big.Int).And(k, big.NewInt(3)).Int64()
}

// sinCos are the series for |r| ≤ π/4.
func sinCos(r *big.Float) (sin, cos *big.Float) {
	square := zero().Mul(r, r)
	square.Neg(square)
	series := func(first *big.Float, n float64) *big.Float {
		sum, term := zero().Set(first), zero().Set(first)
		for ; term.Sign() != 0 && term.MantExp(nil) > first.MantExp(nil)-precision; n += 2 {
			term.Mul(term, square)
			term.Quo(term, newFloat(n*(n+1)))
			sum.Add(sum, term)
		}
		return sum
	}
	return series(r, 2), series(newFloat(1), 1)
}

func sinOf(x float64, turn int64) float64 {
	r, quadrant := reduce(x)
	sin, cos := sinCos(r)
	switch (quadrant + turn) & 3 {
	case 0:
		return toFloat(sin)
	case 1:
		return toFloat(cos)
	case 2:
		return -toFloat(sin)
	}
	return -toFloat(cos)
}

func exactSin(x float64) float64 {
	if x == 0 {
		return x
	}
	return sinOf(x, 0)
}

func exactCos(x float64) float64 { return sinOf(x, 1) }

func exactTan(x float64) float64 {
	if x == 0 {
		return x
	}
	r, quadrant := reduce(x)
	sin, cos := sinCos(r)
	if quadrant&1 == 1 {
		return -toFloat(zero().Quo(cos, sin))
	}
	return toFloat(zero().Quo(sin, cos))
}

// bigAtan halves the angle three times, by t = x/(1+√(1+x²)), and sums the
// series.
func bigAtan(x *big.Float) *big.Float {
	if x.Sign() == 0 {
		return zero()
	}
	const halvings = 3
	t := zero().Set(x)
	for range halvings {
		root := zero().Mul(t, t)
		root.Add(root, newFloat(1))
		root.Sqrt(root)
		root.Add(root, newFloat(1))
		t.Quo(t, root)
	}
	square := zero().Mul(t, t)
	square.Neg(square)
	sum, power := zero().Set(t), zero().Set(t)
	for n := 3.0; power.MantExp(nil) > t.MantExp(nil)-precision; n += 2 {
		power.Mul(power, square)
		sum.Add(sum, zero().Quo(power, newFloat(n)))
	}
	return sum.SetMantExp(sum, halvings)
}

func exactAtan(x float64) float64 {
	if x == 0 {
		return x
	}
	if math.IsInf(x, 0) {
		return math.Copysign(math.Pi/2, x)
	}
	return toFloat(bigAtan(newFloat(x)))
}

// exactAsin is the arc tangent of x/√(1-x²).
func exactAsin(x float64) float64 {
	if x == 0 || math.Abs(x) == 1 {
		return x * (math.Pi / 2)
	}
	return toFloat(bigAtan(zero().Quo(newFloat(x), cofactor(x))))
}

func exactAcos(x float64) float64 {
	switch x {
	case 1:
		return 0
	case -1:
		return math.Pi
	case 0:
		return math.Pi / 2
	}
	angle := bigAtan(zero().Quo(cofactor(x), newFloat(x)))
	if x < 0 {
		angle.Add(angle, bigPi)
	}
	return toFloat(angle)
}

// cofactor is √(1-x²), as √((1-x)(1+x)).
func cofactor(x float64) *big.Float {
	one := newFloat(1)
	product := zero().Mul(zero().Sub(one, newFloat(x)), zero().Add(one, newFloat(x)))
	return product.Sqrt(product)
}

func exactAtan2(y, x float64) float64 {
	if y == 0 || x == 0 || math.IsInf(y, 0) || math.IsInf(x, 0) {
		return math.Atan2(y, x) // a multiple of π/4, or 0
	}
	angle := bigAtan(zero().Quo(newFloat(y), newFloat(x)))
	if x < 0 && y > 0 {
		angle.Add(angle, bigPi)
	} else if x < 0 {
		angle.Sub(angle, bigPi)
	}
	return toFloat(angle)
}
