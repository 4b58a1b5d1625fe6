package kafkaio

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// denial is the last request that Kafka refused for want of a right. It is safe for concurrent use.
type denial struct{ last atomic.Pointer[denied] }

type denied struct {
	at   time.Time
	what string // as in "producing to topic logs"
	err  error
}

// denialAge is how long a denial counts where nothing says that it is over: the refused request is tried again sooner,
// or it is not needed any more.
const denialAge = 30 * time.Second

// saw keeps err where Kafka's authorizer is its reason, and reports whether it is.
func (d *denial) note(what string, err error) bool {
	if !IsDenied(err) {
		return false
	}
	d.last.Store(&denied{time.Now(), what, err})
	return true
}

// over is called when a request of the same kind succeeded. It costs a load.
func (d *denial) clear() {
	if d.last.Load() != nil {
		d.last.Store(nil)
	}
}

// since is the denial that came after a moment and still counts, or nil.
func (d *denial) since(t time.Time) *denied {
	if last := d.last.Load(); last != nil && last.at.After(t) && time.Since(last.at) < denialAge {
		return last
	}
	return nil
}

// IsDenied reports whether Kafka refused what err is about for want of a right.
func IsDenied(err error) bool {
	for _, e := range []error{
		kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed,
		kerr.TransactionalIDAuthorizationFailed,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
