package transport

import (
	"bytes"
	"context"
	"testing"
)

// TestCall shows a question and its answer, up to the largest.
func TestCall(t *testing.T) {
	a, _ := pair(t, func(_, b *Config) {
		b.Answer = func(_ context.Context, from Hello, request []byte) ([]byte, error) {
			return append([]byte(from.Name+": "), request...), nil
		}
	})
	for _, n := range []int{0, 1, 300, maxCallBytes - 4} {
		request := bytes.Repeat([]byte("x"), n)
		answer, err := a.Call(context.Background(), two, request)
		if err != nil || string(answer) != "n1: "+string(request) {
			t.Errorf("%d bytes: %d bytes, %v", n, len(answer), err)
		}
	}
}

// TestCallAddress shows a node that belongs to no cluster yet.
func TestCallAddress(t *testing.T) {
	m := alone(t, func(c *Config) {
		c.Answer = func(_ context.Context, from Hello, request []byte) ([]byte, error) {
			return []byte(from.PeerAddr), nil
		}
	})
	self := Hello{TokenDigest: helloOf(one).TokenDigest, PeerAddr: "new:1"}
	answer, err := CallAddress(context.Background(), CallConfig{Self: self}, m.config.Listener.Addr().String(), []byte("hi"))
	if err != nil || string(answer) != "new:1" {
		t.Errorf("%q, %v", answer, err)
	}
}
