// Package containertest gives tests a MySQL, a MariaDB or an Apache Kafka in a container, by testcontainers-go.
//
// Any image serves that keeps to the conventions of the official ones: for [MySQL] the variable MYSQL_ROOT_PASSWORD,
// and arguments that go to the server; for [Kafka] /etc/kafka/docker/run, which takes its settings from KAFKA_…
// variables. Tests name their images by variables: [MySQLImages], [KafkaImage].
//
// A container ends by Close, which a test registers with t.Cleanup before anything else can fail, and by a small shell
// that holds the other end of a pipe, and removes the container when that pipe closes, so not even SIGKILL of the tests
// leaves one behind where the docker command is there. Ryuk, testcontainers' own means to that end, is an image more
// that has to come from somewhere; it is left out unless TESTCONTAINERS_RYUK_DISABLED says otherwise.
//
// Where no engine answers, or it has not got the image and cannot get it, the error wraps [ErrUnavailable]: a test is
// then skipped with a line that begins with "CANNOT RUN:", which scripts/test lists; with ETL_TEST_REQUIRE_CONTAINERS=1
// it fails instead.
package containertest
