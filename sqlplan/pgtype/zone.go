package pgtype

import (
	"archive/zip"
	"bytes"
	_ "embed" // for zoneinfo.zip
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"quorate/internal/errcode"
)

// zoneinfo is the IANA time zone database, release 2025c, as the Go
// distribution packs it (lib/time). The standard library would look at the
// machine's own files first, and nodes would then disagree about what a local
// time means; so the data is here, and only here.
//
//go:embed zoneinfo.zip
var zoneinfo []byte

// zones are the files of zoneinfo by lower-case name, and what was loaded.
var zones struct {
	once   sync.Once
	files  map[string]*zip.File
	loaded sync.Map // lower-case name → *time.Location
}

func openZones() {
	archive, err := zip.NewReader(bytes.NewReader(zoneinfo), int64(len(zoneinfo)))
	if err != nil {
		panic("pgtype: the embedded time zones are damaged: " + err.Error())
	}
	zones.files = make(map[string]*zip.File, len(archive.File))
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, "/") {
			zones.files[strings.ToLower(f.Name)] = f
		}
	}
}

// LoadLocation finds a time zone by what SET TIME ZONE takes: an IANA name in
// any case, a number of hours east of UTC ("-3.5"), or a POSIX offset, whose
// hours count west of UTC ("UTC+3", "<+05>-05").
func LoadLocation(name string) (*time.Location, error) {
	switch {
	case name == "UTC" || name == "":
		return time.UTC, nil
	}
	folded := strings.ToLower(name)
	if loc, ok := zones.loaded.Load(folded); ok {
		return loc.(*time.Location), nil
	}
	zones.once.Do(openZones)
	if f := zones.files[folded]; f != nil {
		loc, err := readZone(f)
		if err == nil {
			zones.loaded.Store(folded, loc)
		}
		return loc, err
	}
	if loc, ok := fixedLocation(name); ok {
		return loc, nil
	}
	return nil, errcode.Newf(errcode.InvalidParameterValue, "time zone %s not recognized", quoted([]byte(name)))
}

func readZone(f *zip.File) (*time.Location, error) {
	if f.Name == "UTC" {
		return time.UTC, nil
	}
	r, err := f.Open()
	if err != nil {
		return nil, errcode.Newf(errcode.InternalError, "time zone %q cannot be read: %v", f.Name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err == nil {
		var loc *time.Location
		if loc, err = time.LoadLocationFromTZData(f.Name, data); err == nil {
			return loc, nil
		}
	}
	return nil, errcode.Newf(errcode.InternalError, "time zone %q cannot be read: %v", f.Name, err)
}

// zoneSecondsMost is the largest offset from UTC, 15:59:59 as in PostgreSQL.
const zoneSecondsMost = 16*3600 - 1

// fixedLocation reads a number of hours or a POSIX offset without daylight
// saving time.
func fixedLocation(name string) (*time.Location, bool) {
	if hours, err := strconv.ParseFloat(name, 64); err == nil && hours >= -16 && hours <= 16 {
		return fixedZone(int(hours * 3600))
	}
	rest := name
	if strings.HasPrefix(rest, "<") {
		_, after, ok := strings.Cut(rest, ">")
		if !ok {
			return nil, false
		}
		rest = after
	} else {
		rest = strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	}
	if rest == "" {
		return nil, false
	}
	negative := rest[0] == '-'
	if negative || rest[0] == '+' {
		rest = rest[1:]
	}
	seconds, n, ok := parseOffset([]byte(rest))
	if !ok || n != len(rest) {
		return nil, false
	}
	if !negative { // POSIX counts hours west
		seconds = -seconds
	}
	return fixedZone(seconds)
}

// fixedZone names the zone as PostgreSQL does: "<+05:30>-05:30".
func fixedZone(seconds int) (*time.Location, bool) {
	if seconds > zoneSecondsMost || seconds < -zoneSecondsMost {
		return nil, false
	}
	if seconds == 0 {
		return time.UTC, true
	}
	name := append(appendOffset([]byte{'<'}, seconds), '>')
	return time.FixedZone(string(appendOffset(name, -seconds)), seconds), true
}

// parseOffset reads H, HH, HHMM, HHMMSS, HH:MM or HH:MM:SS and returns how many
// bytes it took.
func parseOffset(b []byte) (seconds, n int, ok bool) {
	var parts [3]int
	count := 0
	for count < 3 {
		start := n
		for n < len(b) && isDigit(b[n]) && n-start < 6 {
			n++
		}
		if n == start {
			return 0, 0, false
		}
		parts[count], _ = digitsAt(b, start, n-start)
		if width := n - start; count == 0 && width > 2 {
			switch width {
			case 3, 4:
				parts = [3]int{parts[0] / 100, parts[0] % 100, 0}
			case 6:
				parts = [3]int{parts[0] / 10000, parts[0] / 100 % 100, parts[0] % 100}
			default:
				return 0, 0, false
			}
			count = 3
			break
		}
		count++
		if n+1 >= len(b) || b[n] != ':' || !isDigit(b[n+1]) {
			break
		}
		if count < 3 {
			n++
		}
	}
	if parts[1] > 59 || parts[2] > 59 {
		return 0, 0, false
	}
	return parts[0]*3600 + parts[1]*60 + parts[2], n, true
}

// zoneAbbreviations are seconds east of UTC in hours and minutes: the common
// ones of PostgreSQL's Default set (manual, appendix B.4).
var zoneAbbreviations = map[string]int{
	"z": 0, "zulu": 0, "utc": 0, "ut": 0, "uct": 0, "gmt": 0, "wet": 0, "west": 100, "bst": 100, "cet": 100, "cest": 200,
	"met": 100, "mest": 200, "mez": 100, "mesz": 200, "eet": 200, "eest": 300, "ist": 200, "idt": 300, "sast": 200, "msk": 300, "msd": 400,
	"ast": -400, "adt": -300, "est": -500, "edt": -400, "cst": -600, "cdt": -500, "mst": -700, "mdt": -600, "pst": -800, "pdt": -700,
	"akst": -900, "akdt": -800, "hst": -1000, "nst": -330, "ndt": -230,
	"jst": 900, "kst": 900, "sgt": 800, "hkt": 800, "pht": 800, "awst": 800, "acst": 930, "acdt": 1030, "aest": 1000, "aedt": 1100,
	"nzst": 1200, "nzdt": 1300,
}

// ZoneOf finds the time zone that AT TIME ZONE and a timestamp's text may name:
// an abbreviation or what LoadLocation takes.
func ZoneOf(name string) (*time.Location, error) {
	if hhmm, ok := zoneAbbreviations[strings.ToLower(name)]; ok {
		loc, _ := fixedZone((hhmm/100)*3600 + (hhmm%100)*60)
		return loc, nil
	}
	return LoadLocation(name)
}

// offsetAt is the zone's offset, in seconds east of UTC, at a point in time.
func offsetAt(m Micros, loc *time.Location) int {
	if loc == nil || loc == time.UTC {
		return 0
	}
	_, offset := time.Unix(int64(floorDiv(int(m), microsPerSecond)), 0).In(loc).Zone()
	return offset
}

// InZone turns a point in time into the wall time of a zone.
func InZone(m Micros, loc *time.Location) Micros {
	return m + Micros(offsetAt(m, loc))*microsPerSecond
}

// FromZone turns wall time of a zone into a point in time. As in PostgreSQL,
// of an hour that is there twice the second is meant, and a time that is
// skipped counts with the offset before the gap.
func FromZone(local Micros, loc *time.Location) Micros {
	if loc == nil || loc == time.UTC {
		return local
	}
	// No zone changes twice within a day, so that the offsets a day before and
	// a day after are those on both sides of a change nearby.
	before := offsetAt(local-microsPerDay, loc)
	after := offsetAt(local+microsPerDay, loc)
	early := local - Micros(before)*microsPerSecond
	late := local - Micros(after)*microsPerSecond
	if before == after || offsetAt(late, loc) != after {
		return early
	}
	return late
}
