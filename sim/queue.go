package sim

// Time is virtual time in microseconds since the run began.
type Time int64

// Units of time.
const (
	Microsecond Time = 1
	Millisecond Time = 1000
	Second      Time = 1_000_000
)

// event is something that happens at a time. Of events at the same time the
// one that was scheduled first comes first.
type event struct {
	at  Time
	seq uint64
	do  func()
}

// eventQueue is a heap of events, the next one first.
type eventQueue struct {
	heap []event
	seq  uint64
}

func (q *eventQueue) less(i, j int) bool {
	a, b := &q.heap[i], &q.heap[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (q *eventQueue) push(at Time, do func()) {
	q.seq++
	q.heap = append(q.heap, event{at, q.seq, do})
	for i := len(q.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if !q.less(i, parent) {
			break
		}
		q.heap[i], q.heap[parent] = q.heap[parent], q.heap[i]
		i = parent
	}
}

// pop takes the next event; the queue must not be empty.
func (q *eventQueue) pop() event {
	next := q.heap[0]
	last := len(q.heap) - 1
	q.heap[0] = q.heap[last]
	q.heap[last] = event{}
	q.heap = q.heap[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if q.less(child, least) {
				least = child
			}
		}
		if least == i {
			return next
		}
		q.heap[i], q.heap[least] = q.heap[least], q.heap[i]
		i = least
	}
}
