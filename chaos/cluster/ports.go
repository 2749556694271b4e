package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are taken from below the range from which Linux and others choose by
// themselves: between two lives of a member, no outgoing connection takes its.
const (
	portFirst = 10000
	portLast  = 32000
	portTries = 1000
)

// freePorts returns addresses on loopback at which nobody listens.
func freePorts(n int) ([]string, error) {
	var addresses []string
	taken := map[string]bool{}
	for range portTries {
		address := fmt.Sprintf("127.0.0.1:%d", portFirst+rand.IntN(portLast-portFirst))
		listener, err := net.Listen("tcp", address)
		if err != nil || taken[address] {
			continue
		}
		listener.Close()
		taken[address] = true
		if addresses = append(addresses, address); len(addresses) == n {
			return addresses, nil
		}
	}
	return nil, errors.New("cluster: there are no free ports on 127.0.0.1")
}
