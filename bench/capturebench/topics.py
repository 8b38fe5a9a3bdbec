"""Topics of the capture bench: made anew for every run, watched from outside while they fill, counted afterwards."""

import subprocess

import confluent_kafka
from bank import wait
from confluent_kafka import IsolationLevel, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from . import figures

# Deleted logs are gone after a second, or the runs of a whole bench would lie on the disk together.
SETTINGS = {"file.delete.delay.ms": "1000", "retention.ms": "-1", "max.message.bytes": str(8 << 20)}
ANSWER_S = 30
NOT_YET = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.LEADER_NOT_AVAILABLE,
           KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.FENCED_LEADER_EPOCH, KafkaError._UNKNOWN_PARTITION,
           KafkaError._UNKNOWN_TOPIC, KafkaError._NOENT)  # fmt: skip


class Topics:
    def __init__(self, brokers, counter):
        self.brokers, self.counter = brokers, counter
        self.admin = self._client()
        self.made = set()

    def _client(self):
        return AdminClient({"bootstrap.servers": self.brokers, "log_level": 0})

    def recreate(self, names):
        """Empty, one partition each. Returns when a client can read and write them. A client that knew the topics of
        those names before would go on asking for these."""
        self.delete(names)
        self.admin = self._client()
        wanted = [NewTopic(name, 1, 1, config=SETTINGS) for name in names]
        for future in self.admin.create_topics(wanted).values():
            future.result(ANSWER_S)
        self.made.update(names)
        wait.until(lambda: self._are_there(names), ANSWER_S, f"{len(names)} topics exist", poll_s=0.02)

    def _are_there(self, names):
        """Their leaders answer; a topic that was just made is known before that."""
        try:
            return not any(self.ends(names))
        except confluent_kafka.KafkaException as error:
            if error.args[0].code() in NOT_YET:
                return False
            raise

    def delete(self, names):
        there = set(self.admin.list_topics(timeout=ANSWER_S).topics) & set(names)
        if there:
            for future in self.admin.delete_topics(sorted(there), operation_timeout=ANSWER_S).values():
                future.result(ANSWER_S)
            wait.until(
                lambda: not there & set(self.admin.list_topics(timeout=ANSWER_S).topics), ANSWER_S,
                "deleted topics are gone", poll_s=0.02,
            )  # fmt: skip
        self.made -= set(names)

    def delete_all(self):
        self.delete(sorted(self.made))

    def put(self, topic, key, value):
        producer = confluent_kafka.Producer({"bootstrap.servers": self.brokers, "acks": "all"})
        producer.produce(topic, key=key, value=value)
        if producer.flush(ANSWER_S) != 0:
            raise RuntimeError(f"could not write to {topic}")

    def last_value(self, topic):
        """Of the last committed record; None when there is none."""
        consumer = confluent_kafka.Consumer({
            "bootstrap.servers": self.brokers, "group.id": "bench", "isolation.level": "read_committed",
            "enable.partition.eof": True, "enable.auto.commit": False, "fetch.wait.max.ms": 10,
        })  # fmt: skip
        consumer.assign([TopicPartition(topic, 0, 0)])
        value = None
        try:
            while True:
                message = consumer.poll(ANSWER_S)
                if message is None:
                    raise RuntimeError(f"could not read {topic} to its end")
                if message.error():
                    if message.error().code() == KafkaError._PARTITION_EOF:
                        return value
                    raise confluent_kafka.KafkaException(message.error())
                value = message.value()
        finally:
            consumer.close()

    def ends(self, names, committed=True):
        """What a reader may read up to, topic by topic; one request."""
        isolation = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        wanted = {TopicPartition(name, 0): OffsetSpec.latest() for name in names}
        answers = self.admin.list_offsets(wanted, isolation_level=isolation, request_timeout=ANSWER_S)
        found = {partition.topic: future.result(ANSWER_S).offset for partition, future in answers.items()}
        return tuple(found[name] for name in names)

    def count(self, names):
        """[{topic, events, tombstones, bytes, last_offset}] in the order of the names."""
        done = subprocess.run([self.counter, self.brokers, *names], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True)  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"could not count what is in {names[0]}, ...: {done.stderr.strip()}")
        return figures.runs_of_json(done.stdout)
