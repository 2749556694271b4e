package sqlplan

import (
	"container/list"
	encoding "encoding/binary"
	"sync"
)

// Cache keeps plans by schema version, text and options, so that a statement
// that is sent again is not planned again. It forgets those least recently
// used. It may be used by many sessions at once.
type Cache struct {
	max int // bytes

	mu      sync.Mutex // guards the fields below
	version uint64     // of the schema that the plans were made with
	plans   map[string]*list.Element
	recent  list.List // of *cached, the last used in front
	bytes   int
}

type cached struct {
	key   string
	plan  *Plan
	bytes int
}

// planBytes is about what a plan takes besides its texts.
const planBytes = 512

// NewCache makes a Cache that holds about maxBytes of plans.
func NewCache(maxBytes int) *Cache {
	return &Cache{max: maxBytes, plans: make(map[string]*list.Element)}
}

// Plan returns schema.Plan(text, o), from the cache when it is there. Errors
// are not kept. Plans that depend on more than schema.Version, such as those
// of Schema.After, must not come here.
func (c *Cache) Plan(schema *Schema, text string, o Options) (*Plan, error) {
	if p := c.Get(schema.Version, text, o); p != nil {
		return p, nil
	}
	p, err := schema.Plan(text, o)
	if err != nil {
		return nil, err
	}
	c.Put(p, text, o)
	return p, nil
}

// Get returns the plan of a text under a schema version, or nil.
func (c *Cache) Get(version uint64, text string, o Options) *Plan {
	var buf [512]byte
	key := appendKey(buf[:0], text, o)
	c.mu.Lock()
	defer c.mu.Unlock()
	if version != c.version {
		return nil
	}
	e := c.plans[string(key)]
	if e == nil {
		return nil
	}
	c.recent.MoveToFront(e)
	return e.Value.(*cached).plan
}

// Put keeps a plan under the schema version that it was made with. A newer
// version drops the plans of the one before; an older one is ignored.
func (c *Cache) Put(p *Plan, text string, o Options) {
	key := string(appendKey(nil, text, o))
	entry := &cached{key: key, plan: p, bytes: len(key) + len(p.Source) + len(p.SQL) + planBytes + 32*len(p.Columns)}
	if entry.bytes > c.max/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.SchemaVersion < c.version {
		return
	}
	if p.SchemaVersion > c.version {
		c.version = p.SchemaVersion
		clear(c.plans)
		c.recent.Init()
		c.bytes = 0
	}
	if e := c.plans[key]; e != nil {
		c.remove(e)
	}
	c.plans[key] = c.recent.PushFront(entry)
	for c.bytes += entry.bytes; c.bytes > c.max; {
		c.remove(c.recent.Back())
	}
}

func (c *Cache) remove(e *list.Element) {
	entry := c.recent.Remove(e).(*cached)
	delete(c.plans, entry.key)
	c.bytes -= entry.bytes
}

// appendKey writes what a plan is kept by: time zone and parameter types, each
// with its length, then the text.
func appendKey(dst []byte, text string, o Options) []byte {
	dst = encoding.AppendUvarint(dst, uint64(len(o.TimeZone)))
	dst = append(dst, o.TimeZone...)
	dst = encoding.AppendUvarint(dst, uint64(len(o.ParamTypes)))
	for _, t := range o.ParamTypes {
		dst = encoding.BigEndian.AppendUint32(dst, t)
	}
	return append(dst, text...)
}
