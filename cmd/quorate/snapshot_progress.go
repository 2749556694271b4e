package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// progress shows on standard error how far something is that goes on for a while:
// a bar on a terminal; elsewhere, a line every ten seconds.
type progress struct {
	out      io.Writer
	terminal bool
	doing    string // "saving"
	total    int64  // bytes; 0: not known
	done     int64
	began    time.Time
	shown    time.Time // when it was last shown
	now      func() time.Time
}

const (
	barEvery  = 100 * time.Millisecond
	lineEvery = 10 * time.Second
	barCells  = 27
)

// newProgress begins now.
func newProgress(out io.Writer, doing string, total int64) *progress {
	file, isFile := out.(*os.File)
	p := &progress{out: out, terminal: isFile && term.IsTerminal(int(file.Fd())), doing: doing, total: total, now: time.Now}
	p.began = p.now()
	p.shown = p.began
	return p
}

// Write counts bytes as done: it is for io.TeeReader.
func (p *progress) Write(b []byte) (int, error) {
	p.done += int64(len(b))
	every := lineEvery
	if p.terminal {
		every = barEvery
	}
	if now := p.now(); now.Sub(p.shown) >= every {
		p.shown = now
		p.show()
	}
	return len(b), nil
}

func (p *progress) show() {
	seconds := p.shown.Sub(p.began).Seconds()
	rate := float64(p.done) / seconds
	if p.total == 0 {
		p.line(fmt.Sprintf("%-8s %s  %s/s", p.doing, bytesText(p.done), bytesText(int64(rate))))
		return
	}
	left := time.Duration(float64(p.total-p.done) / rate * float64(time.Second)).Round(time.Second)
	numbers := fmt.Sprintf("%s / %s  %3d%%  %s/s  %v left", bytesText(p.done), bytesText(p.total), p.done*100/p.total, bytesText(int64(rate)), left)
	if !p.terminal {
		p.line(p.doing + "  " + numbers)
		return
	}
	full := int(p.done * barCells / p.total)
	bar := strings.Repeat("=", full)
	if full < barCells {
		bar += ">" + strings.Repeat(" ", barCells-full-1)
	}
	p.line(fmt.Sprintf("%-8s [%s]  %s", p.doing, bar, numbers))
}

// line shows a line; on a terminal, in place of the last one.
func (p *progress) line(text string) {
	if p.terminal {
		fmt.Fprintf(p.out, "\r%s\x1b[K", text)
		return
	}
	fmt.Fprintln(p.out, text)
}

// end takes the bar away.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
