package snapshot

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"
)

// TestMeta: what is written can be read; of what is not, damage is told from a
// newer format.
func TestMeta(t *testing.T) {
	h := testHeader(7, imageBytes(7, 100))
	image := h.image()
	b := appendMeta(nil, &image)
	if got, err := decodeMeta(b); err != nil || !reflect.DeepEqual(got, image) {
		t.Errorf("read back as %+v, %v", got, err)
	}
	for i := range b {
		damaged := bytes.Clone(b)
		damaged[i] ^= 0x10
		if got, err := decodeMeta(damaged); err == nil {
			t.Errorf("with byte %d damaged, it reads as %+v", i, got)
		}
		if got, err := decodeMeta(b[:i]); err != errMeta {
			t.Errorf("cut at %d, it reads as %+v, %v", i, got, err)
		}
	}
	newer := bytes.Clone(b)
	newer[len(metaMagic)] = metaVersion + 1
	if _, err := decodeMeta(newer); err == nil || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("a newer format: %v", err)
	}
}

// FuzzMeta: any bytes are refused or mean one image.
func FuzzMeta(f *testing.F) {
	h := testHeader(7, imageBytes(7, 100))
	image := h.image()
	whole := appendMeta(nil, &image)
	f.Add(whole[:len(whole)-metaSumBytes])
	f.Add([]byte(metaMagic))
	f.Fuzz(func(t *testing.T, body []byte) {
		// With a checksum that fits, so that what is behind it is reached.
		b := binary.BigEndian.AppendUint32(bytes.Clone(body), crc32.Checksum(body, castagnoli))
		image, err := decodeMeta(b)
		if err != nil {
			return
		}
		again, err := decodeMeta(appendMeta(nil, &image))
		if err != nil || !reflect.DeepEqual(again, image) {
			t.Errorf("%+v reads back as %+v, %v", image, again, err)
		}
	})
}
