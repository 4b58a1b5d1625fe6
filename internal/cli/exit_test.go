package cli

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sluice-etl/sluice/checkpoint"
)

func TestP34_exitCodes(t *testing.T) {
	t.Parallel()
	refused := &checkpoint.Error{Class: checkpoint.ErrRefused, Err: errors.New("another job's table")}
	cases := []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errDone, 0},
		{errors.New("x"), 1},
		{&checkpoint.Error{Class: checkpoint.ErrCheckpointLost, Err: errors.New("x")}, 1},
		{Usage("x"), 2},
		{errors.Join(errors.New("x"), Usage("y")), 2},
		{fmt.Errorf("start: %w", refused), 3},
		{errors.Join(errors.New("x"), refused), 3},
	}
	for _, c := range cases {
		if got := ExitCode(c.err); got != c.want {
			t.Errorf("%v: got %d, expected %d", c.err, got, c.want)
		}
	}
}
