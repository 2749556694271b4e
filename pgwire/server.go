package pgwire

import (
	"container/list"
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"quorate/internal/errcode"
	"quorate/sqlplan"
)

// Database is the name of the one database that a server has.
const Database = "quorate"

// farewellTimeout is how long a client that is being disconnected has to take
// the last message.
const farewellTimeout = time.Second

// Server speaks the PostgreSQL protocol with clients. Fill in the fields,
// then call Serve; they must not change afterwards.
type Server struct {
	// Backend carries the statements out. It must be set.
	Backend Backend

	// Available says why no session can be served just now, with nil that they
	// can: those that are open are ended by it when they next say something, new
	// ones are refused by it. It is asked with every message. nil: they always can.
	Available func() *errcode.Error

	// Version is Quorate's own version: server_version is then "15.0 (Quorate
	// VERSION)", whose first number is what drivers go by. Empty: "dev".
	Version string

	// Logger takes what happens to sessions. The zero Logger is silent.
	Logger zerolog.Logger

	// Metrics counts. nil: nobody looks.
	Metrics *Metrics

	// MaxConnections is how many sessions there may be; one more is refused
	// with 53300. An idle session holds about 20 KiB. As many connections
	// again may be at their startup; one more takes the place of the one that
	// has waited longest. Zero: 500.
	MaxConnections int

	// MaxMessageBytes limits one message, and with it a statement's text and
	// its parameters together. A longer one is skipped and answered with
	// 54000. A larger limit lets one client make one larger log entry, which
	// delays everybody else's. Zero: 16 MiB.
	MaxMessageBytes int

	// MaxSessionBytes limits what one session makes the server keep: prepared
	// statements, portals, and the messages of a pipeline before its Sync.
	// Beyond it, 54000. Zero: 64 MiB.
	MaxSessionBytes int

	// PlanCacheBytes bounds the plans shared by all sessions. Zero: 16 MiB.
	PlanCacheBytes int

	// StartupTimeout is how long a client may take to say who it is. Zero: 60 s,
	// PostgreSQL's authentication_timeout.
	StartupTimeout time.Duration

	// WriteTimeout is how long a client may refuse to take a piece of output.
	// A client that stops reading in the middle of a result holds a snapshot,
	// and a snapshot holds back the log. Zero: 60 s.
	WriteTimeout time.Duration

	// ClientCheckInterval is how often sessions that are busy with one
	// statement are asked whether their client is still there; without it,
	// what was asked is cancelled. Zero: 1 s.
	ClientCheckInterval time.Duration

	// QuorumTimeout is what SHOW quorate.quorum_timeout says; the Backend
	// keeps to it. Zero: 10 s.
	QuorumTimeout time.Duration

	once  sync.Once
	plans *sqlplan.Cache

	mu       sync.Mutex // guards the fields below
	sessions map[uint32]*session
	lastPID  uint32
	stops    map[int]context.CancelFunc
	serves   int // calls of Serve so far
	closed   bool

	running sync.WaitGroup // calls of Serve
}

// ErrServerClosed is what Serve returns after Close.
var ErrServerClosed = errors.New("pgwire: the server is closed")

// errTooManyConnections says that MaxConnections was reached.
var errTooManyConnections = errors.New("pgwire: too many connections")

// init fills in the defaults.
func (s *Server) init() {
	s.once.Do(func() {
		if s.Backend == nil {
			panic("pgwire: Server.Backend is not set")
		}
		if s.Metrics == nil {
			s.Metrics = NewMetrics()
		}
		setDefault(&s.Version, "dev")
		setDefault(&s.MaxConnections, 500)
		setDefault(&s.MaxMessageBytes, 16<<20)
		setDefault(&s.MaxSessionBytes, 64<<20)
		setDefault(&s.PlanCacheBytes, 16<<20)
		setDefault(&s.StartupTimeout, 60*time.Second)
		setDefault(&s.WriteTimeout, 60*time.Second)
		setDefault(&s.ClientCheckInterval, time.Second)
		setDefault(&s.QuorumTimeout, 10*time.Second)
		s.plans = sqlplan.NewCache(s.PlanCacheBytes)
		s.sessions = map[uint32]*session{}
		s.stops = map[int]context.CancelFunc{}
	})
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Serve accepts connections until ctx ends or Close is called. Then it closes
// the listener, ends every session with 57P01, waits until they are gone and
// returns nil (ErrServerClosed if the server had been closed before). When
// the listener fails, the same happens and its error is returned.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	s.init()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		listener.Close()
		return ErrServerClosed
	}
	id := s.serves
	s.serves++
	s.stops[id] = stop
	s.running.Add(1)
	s.mu.Unlock()
	defer s.running.Done()
	defer func() {
		s.mu.Lock()
		delete(s.stops, id)
		s.mu.Unlock()
	}()

	var own connections
	closeListener := context.AfterFunc(ctx, func() { listener.Close() })
	var watching sync.WaitGroup
	watching.Go(func() { s.watchClients(ctx) })
	err := s.accept(ctx, listener, &own)
	closeListener()
	listener.Close()
	own.end()
	stop()
	watching.Wait()
	return err
}

// accept takes connections and starts their goroutines.
func (s *Server) accept(ctx context.Context, listener net.Listener, own *connections) error {
	var delay time.Duration
	for {
		conn, err := listener.Accept()
		if err == nil {
			delay = 0
			s.Metrics.accepted.Inc()
			own.start(s, conn)
			continue
		}
		if ctx.Err() != nil {
			return nil
		}
		if !isTemporary(err) {
			return err
		}
		// Out of file descriptors, most likely: they come back.
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		s.Logger.Warn().Err(err).Dur("retry_ms", delay).Msg("a connection could not be accepted")
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil
		}
	}
}

// isTemporary reports whether Accept may succeed later. net.Error.Temporary is
// deprecated for being vague, and is exactly this question for Accept.
func isTemporary(err error) bool {
	var temporary interface{ Temporary() bool }
	return errors.As(err, &temporary) && temporary.Temporary()
}

// unavailable is what Available says.
func (s *Server) unavailable() error {
	if s.Available == nil {
		return nil
	}
	if e := s.Available(); e != nil {
		return &fatalError{e}
	}
	return nil
}

// Close ends every Serve and waits for their sessions to be gone.
func (s *Server) Close() error {
	s.init()
	s.mu.Lock()
	s.closed = true
	for _, stop := range s.stops {
		stop()
	}
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// connections are those of one Serve: it starts their goroutines and joins
// them.
type connections struct {
	wg sync.WaitGroup

	mu   sync.Mutex // guards the fields below
	open map[*connection]struct{}
	// starting are those without a session, the oldest first. Without a limit,
	// clients that connect and say nothing could use up the process's file
	// descriptors, which the log and the other members need too.
	starting list.List
}

// connection is one client's connection, first without and then with a
// session.
type connection struct {
	conn  net.Conn
	among *connections
	place *list.Element // in among.starting; guarded by among.mu

	mu      sync.Mutex // guards the fields below
	session *session
	ended   bool
}

func (c *connections) start(server *Server, conn net.Conn) {
	one := c.add(conn, server.MaxConnections)
	c.wg.Go(func() {
		defer c.remove(one)
		server.serveConn(one)
	})
}

// add takes a connection in; if maxStarting are at their startup already, it
// takes the place of one of them.
func (c *connections) add(conn net.Conn, maxStarting int) *connection {
	one := &connection{conn: conn, among: c}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[*connection]struct{}{}
	}
	c.open[one] = struct{}{}
	if c.starting.Len() == maxStarting {
		// Its goroutine notices and ends.
		c.starting.Remove(c.starting.Front()).(*connection).conn.Close()
	}
	one.place = c.starting.PushBack(one)
	return one
}

// started says that a connection has its session.
func (c *connections) started(one *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.starting.Remove(one.place) // of no effect when it had to give it up
}

func (c *connections) remove(one *connection) {
	one.conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, one)
	c.starting.Remove(one.place)
}

// end ends them all and waits.
func (c *connections) end() {
	c.mu.Lock()
	for one := range c.open {
		one.end()
	}
	c.mu.Unlock()
	c.wg.Wait()
}

// end ends the session, or the connection while it has none.
func (c *connection) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.session != nil {
		c.session.shutdown()
	} else {
		c.conn.Close()
	}
}

// become gives the connection its session.
func (c *connection) become(session *session) {
	c.among.started(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = session
	if c.ended {
		session.shutdown()
	}
}

// register gives a session its process id, unless there are too many.
func (s *Server) register(session *session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sessions) >= s.MaxConnections {
		return errTooManyConnections
	}
	for {
		// Clients keep the number as a signed one; zero means none.
		s.lastPID = s.lastPID%(1<<31-1) + 1
		if s.sessions[s.lastPID] == nil {
			break
		}
	}
	session.pid = s.lastPID
	s.sessions[session.pid] = session
	s.Metrics.open.Add(1)
	return nil
}

func (s *Server) unregister(session *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, session.pid)
	s.Metrics.open.Add(-1)
}
