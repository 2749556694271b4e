package sqlfsm

import (
	"encoding/binary"
	"errors"
	"fmt"

	"quorate/internal/value"
	"quorate/sqlplan"
	"quorate/sqlplan/pgtype"
)

// Kind is what a command does.
type Kind uint8

const (
	// KindSQL runs statements.
	KindSQL Kind = 0
	// KindRegister makes the command's incarnation its origin's present one, of
	// which commands are applied. See AppendRegistration.
	KindRegister Kind = 1
	// KindMark changes nothing but the applied index: those who want to see all
	// nodes at one index propose it.
	KindMark Kind = 2
	// KindLoad runs statements that load a dump (load.go).
	KindLoad Kind = 3
)

// Header is the fixed front of a command.
type Header struct {
	Kind Kind
	// Origin, Incarnation and Seq name the command: the node whose client sent
	// it, that node's incarnation, and a number within that.
	Origin, Incarnation, Seq uint64
	// LowWater is a number of the same incarnation: the origin waits for no
	// command below it any more.
	LowWater uint64
	// Time is the command's clock in microseconds since the Unix epoch.
	Time int64
	// Seed starts the command's random stream.
	Seed [32]byte
	// SchemaVersion is the version that the statements were planned with.
	SchemaVersion uint64
}

const (
	commandVersion = 2
	originOffset   = 1 + 1
	timeOffset     = originOffset + 4*8
	headerBytes    = timeOffset + 8 + 32 + 8
)

// The flags of a statement.
const (
	flagSchema = 1 << iota
	flagRows
)

// errMalformed says that bytes are not a command. Entries are checksummed
// below us, so it means another program version, or a bug.
var errMalformed = errors.New("sqlfsm: malformed command")

// AppendCommand appends the encoding of a command to dst. Only commands of
// KindSQL and KindLoad have statements.
func AppendCommand(dst []byte, h *Header, statements []sqlplan.Bound) []byte {
	dst = append(dst, commandVersion, byte(h.Kind))
	dst = binary.BigEndian.AppendUint64(dst, h.Origin)
	dst = binary.BigEndian.AppendUint64(dst, h.Incarnation)
	dst = binary.BigEndian.AppendUint64(dst, h.Seq)
	dst = binary.BigEndian.AppendUint64(dst, h.LowWater)
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.Time))
	dst = append(dst, h.Seed[:]...)
	dst = binary.BigEndian.AppendUint64(dst, h.SchemaVersion)
	dst = binary.AppendUvarint(dst, uint64(len(statements)))
	for i := range statements {
		dst = appendStatement(dst, &statements[i])
	}
	return dst
}

// AppendRegistration appends the encoding of a registration to dst. The origin
// has applied the log up to the index seen.
func AppendRegistration(dst []byte, h *Header, seen uint64) []byte {
	own := *h
	own.Kind = KindRegister
	return binary.BigEndian.AppendUint64(AppendCommand(dst, &own, nil), seen)
}

// decodeRegistration reads the index that the origin has seen.
func decodeRegistration(data []byte) (seen uint64, err error) {
	body := data[headerBytes:]
	if len(body) != 1+8 || body[0] != 0 {
		return 0, errMalformed
	}
	return binary.BigEndian.Uint64(body[1:]), nil
}

func appendStatement(dst []byte, b *sqlplan.Bound) []byte {
	var flags byte
	if b.Plan.Schema {
		flags |= flagSchema
	}
	if b.Plan.Columns != nil {
		flags |= flagRows
	}
	dst = append(dst, flags)
	dst = appendText(dst, b.Plan.SQL)
	dst = binary.AppendUvarint(dst, uint64(len(b.Plan.Types)))
	for _, t := range b.Plan.Types {
		dst = append(dst, byte(t.Op))
		dst = appendText(dst, t.Relation)
		dst = appendText(dst, t.Column)
		dst = appendText(dst, t.NewName)
		dst = binary.BigEndian.AppendUint32(dst, t.Type.OID)
		dst = binary.BigEndian.AppendUint32(dst, uint32(t.Type.Mod))
	}
	dst = binary.AppendUvarint(dst, uint64(len(b.Args)))
	for _, v := range b.Args {
		dst = v.Append(dst)
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// DecodeHeader reads a command's header.
func DecodeHeader(data []byte) (Header, error) {
	if len(data) <= headerBytes {
		return Header{}, fmt.Errorf("%w: %d bytes", errMalformed, len(data))
	}
	if data[0] != commandVersion {
		return Header{}, fmt.Errorf("%w: version %d; this program reads version %d: update it", errMalformed, data[0], commandVersion)
	}
	h := Header{
		Kind:          Kind(data[1]),
		Origin:        binary.BigEndian.Uint64(data[originOffset:]),
		Incarnation:   binary.BigEndian.Uint64(data[originOffset+8:]),
		Seq:           binary.BigEndian.Uint64(data[originOffset+16:]),
		LowWater:      binary.BigEndian.Uint64(data[originOffset+24:]),
		Time:          int64(binary.BigEndian.Uint64(data[timeOffset:])),
		SchemaVersion: binary.BigEndian.Uint64(data[headerBytes-8:]),
	}
	copy(h.Seed[:], data[timeOffset+8:])
	return h, nil
}

// Restamp returns a copy of a command with another time.
func Restamp(data []byte, time int64) []byte {
	if len(data) <= headerBytes {
		panic("sqlfsm: restamping what is not a command")
	}
	data = append([]byte(nil), data...)
	binary.BigEndian.PutUint64(data[timeOffset:], uint64(time))
	return data
}

// statement is one decoded statement. sql and args alias the command.
type statement struct {
	schema  bool
	hasRows bool
	sql     []byte
	types   []sqlplan.TypeChange
	args    []value.Value
}

// decoder reads a command's statements one after another. The first damage
// sticks in err, and everything read after it is zero.
type decoder struct {
	data []byte
	err  error
	args []value.Value // reused from statement to statement
}

// begin starts behind the header and returns the number of statements.
func (d *decoder) begin(data []byte) int {
	d.data, d.err = data[headerBytes:], nil
	return d.count(3)
}

// next reads one statement into s, which is valid until the following call.
func (d *decoder) next(s *statement) {
	flags := d.byte()
	s.schema, s.hasRows = flags&flagSchema != 0, flags&flagRows != 0
	s.sql = d.bytes()
	s.types = nil
	for n := d.count(12); n > 0 && d.err == nil; n-- {
		s.types = append(s.types, sqlplan.TypeChange{
			Op:       sqlplan.TypeOp(d.byte()),
			Relation: string(d.bytes()),
			Column:   string(d.bytes()),
			NewName:  string(d.bytes()),
			Type:     pgtype.Type{OID: d.uint32(), Mod: int32(d.uint32())},
		})
	}
	d.args = d.args[:0]
	for n := d.count(1); n > 0 && d.err == nil; n-- {
		v, rest, err := value.Decode(d.data)
		if err != nil {
			d.fail()
			break
		}
		d.args, d.data = append(d.args, v), rest
	}
	s.args = d.args
}

// end reports damage, and bytes behind the last statement.
func (d *decoder) end() error {
	if len(d.data) != 0 {
		d.fail()
	}
	return d.err
}

func (d *decoder) fail() {
	if d.err == nil {
		d.err = errMalformed
	}
	d.data = nil
}

func (d *decoder) byte() byte {
	if len(d.data) < 1 {
		d.fail()
		return 0
	}
	b := d.data[0]
	d.data = d.data[1:]
	return b
}

func (d *decoder) uint32() uint32 {
	if len(d.data) < 4 {
		d.fail()
		return 0
	}
	n := binary.BigEndian.Uint32(d.data)
	d.data = d.data[4:]
	return n
}

func (d *decoder) uvarint() uint64 {
	n, w := binary.Uvarint(d.data)
	if w <= 0 {
		d.fail()
		return 0
	}
	d.data = d.data[w:]
	return n
}

// count reads a number of things that take at least size bytes each, so that
// a damaged count cannot make us allocate.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.data)/size) {
		d.fail()
		return 0
	}
	return int(n)
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.data)) {
		d.fail()
		return nil
	}
	b := d.data[:n:n]
	d.data = d.data[n:]
	return b
}
