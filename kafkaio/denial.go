package kafkaio

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// denial holds the last request that Kafka denied because a right is missing. It is safe for concurrent use.
type denial struct{ last atomic.Pointer[denied] }

type denied struct {
	at   time.Time
	what string // such as "producing to topic logs"
	err  error
}

// denialAge is how long a denial counts if nothing clears it: a denied request that is still needed is retried sooner.
const denialAge = 30 * time.Second

// note stores err if Kafka's authorizer caused it, and reports whether it did.
func (d *denial) note(what string, err error) bool {
	if !IsDenied(err) {
		return false
	}
	d.last.Store(&denied{time.Now(), what, err})
	return true
}

// clear ends the denial when a request of the same kind succeeds. It usually costs one atomic load.
func (d *denial) clear() {
	if d.last.Load() != nil {
		d.last.Store(nil)
	}
}

// since returns the denial if it is later than t and still counts, or nil.
func (d *denial) since(t time.Time) *denied {
	if last := d.last.Load(); last != nil && last.at.After(t) && time.Since(last.at) < denialAge {
		return last
	}
	return nil
}

// IsDenied reports whether err is Kafka's error for a missing right.
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
