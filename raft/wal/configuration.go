package wal

import (
	"encoding/binary"
	"errors"
	"fmt"

	"quorate/raft"
)

// encodeConfiguration gives a configuration as the header holds it: the number
// of members, then each one's id, name and address; numbers as uvarints, texts
// with their length before them.
func encodeConfiguration(c raft.Configuration) ([]byte, error) {
	b := binary.AppendUvarint(nil, uint64(len(c.Members)))
	for _, m := range c.Members {
		b = binary.AppendUvarint(b, uint64(m.ID))
		b = appendText(b, m.Name)
		b = appendText(b, m.Address)
	}
	if len(b) > maxHeaderBytes-headerFixedBytes {
		return nil, fmt.Errorf("wal: a configuration of %d bytes does not fit into a segment's header", len(b))
	}
	return b, nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errConfiguration = errors.New("configuration damaged")

func decodeConfiguration(b []byte) (raft.Configuration, error) {
	d := configurationDecoder{rest: b}
	var c raft.Configuration
	for n := d.number(); n > 0 && !d.failed; n-- {
		c.Members = append(c.Members, raft.Member{
			ID:      raft.NodeID(d.number()),
			Name:    d.text(),
			Address: d.text(),
		})
	}
	if d.failed || len(d.rest) > 0 {
		return raft.Configuration{}, errConfiguration
	}
	return c, nil
}

// configurationDecoder takes parts off rest until one is not there.
type configurationDecoder struct {
	rest   []byte
	failed bool
}

func (d *configurationDecoder) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.failed = true
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *configurationDecoder) text() string {
	n := d.number()
	if d.failed || n > uint64(len(d.rest)) {
		d.failed = true
		return ""
	}
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}
