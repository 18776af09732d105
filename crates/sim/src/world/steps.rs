//! What happens next?

use std::time::Duration;

use super::World;
use crate::oracle::lock;

/// One kind of step.
#[derive(Clone, Copy, Debug)]
enum Step {
    Publish,
    Answer,
    AnswerLate,
    AnswerAgain,
    AnswerElsewhere,
    Create,
    Change,
    Delete,
    Seek,
    Pause,
    Resume,
    Ephemeral,
    Connect,
    Disconnect,
    ReplaceList,
    ChangeState,
    MakeUp,
    SpoilHandOver,
    HoldWrites,
    HoldAnswers,
    Stall,
    Release,
    ReleaseAll,
    Fail,
    FailUnheard,
    Recover,
    Crash,
    Restart,
    SecondEngine,
    EndOld,
}

impl World {
    /// Draws a step and does it.
    pub(super) async fn step(&mut self) {
        let plan = &self.plan;
        let answers = 12 + 4 * self.open.len().min(10) as u64;
        let two = self.nodes.len() > 1;
        let operating = match self.has_operators {
            true => 1 + plan.changing / 2,
            false => 0,
        };
        let step = self.dice.weighted(&[
            (plan.publishing, Step::Publish),
            (answers, Step::Answer),
            (2, Step::AnswerLate),
            (2, Step::AnswerAgain),
            (2, Step::AnswerElsewhere),
            (2 + plan.changing / 2, Step::Create),
            (plan.changing, Step::Change),
            (plan.changing / 4, Step::Delete),
            (plan.changing / 4, Step::Seek),
            (operating.div_ceil(2), Step::Pause),
            (operating, Step::Resume),
            (1, Step::Ephemeral),
            (plan.connecting, Step::Connect),
            (plan.connecting / 2, Step::Disconnect),
            (plan.connecting / 3, Step::ReplaceList),
            (plan.connecting / 2, Step::ChangeState),
            (5, Step::MakeUp),
            (plan.connecting / 2, Step::SpoilHandOver),
            (plan.stalling, Step::HoldWrites),
            (plan.stalling, Step::HoldAnswers),
            (plan.stalling / 4, Step::Stall),
            (2 * plan.stalling, Step::Release),
            (plan.stalling, Step::ReleaseAll),
            (plan.failing, Step::Fail),
            (2 * plan.failing, Step::FailUnheard),
            (2 + 5 * plan.failing, Step::Recover),
            (plan.crashing, Step::Crash),
            (plan.crashing / 2, Step::Restart),
            (if two { 0 } else { plan.doubling }, Step::SecondEngine),
            (if two { 4 } else { 0 }, Step::EndOld),
        ]);
        self.take(step).await;
        if self.nodes.is_empty() {
            self.start_node().await;
            self.come_back();
        }
    }

    async fn take(&mut self, step: Step) {
        let Some(place) = self.some_node() else {
            return;
        };
        match step {
            Step::Publish => self.publish_some(),
            Step::Answer => self.answer(),
            Step::AnswerLate => self.answer_late(),
            Step::AnswerAgain => self.answer_again(),
            Step::AnswerElsewhere => self.answer_elsewhere(),
            Step::Create => self.create_subscription(),
            Step::Change => self.change_subscription(),
            Step::Delete => self.delete_subscription(),
            Step::Seek => self.seek(),
            Step::Pause => self.pause(),
            Step::Resume => self.resume(),
            Step::Ephemeral => self.subscribe_ephemeral(place),
            Step::Connect => self.connect(place),
            Step::Disconnect => self.disconnect(place),
            Step::ReplaceList => self.replace_list(place),
            Step::ChangeState => self.change_state(place),
            Step::MakeUp => self.make_up(false),
            Step::SpoilHandOver => self.spoil_hand_over(place),
            Step::HoldWrites => self.hold(place, true, false),
            Step::HoldAnswers => self.hold(place, false, true),
            Step::Stall => self.hold(place, true, true),
            Step::Release => self.release(place),
            Step::ReleaseAll => self.release_all(place),
            Step::Fail => self.fail(place),
            Step::FailUnheard => self.fail_unheard(place).await,
            Step::Recover => self.recover(),
            Step::Crash => self.crash(place),
            Step::Restart => self.restart(place).await,
            Step::SecondEngine => self.start_second().await,
            Step::EndOld => self.end_old().await,
        }
    }

    fn hold(&mut self, place: usize, writes: bool, answers: bool) {
        self.history.count("stalls");
        let number = self.nodes[place].number;
        self.history.note(format_args!(
            "e{number} is held: writes {writes}, answers {answers}"
        ));
        self.nodes[place].link.hold(writes, answers);
    }

    fn release(&mut self, place: usize) {
        let (writes, answers) = (self.dice.below(3), self.dice.below(3));
        self.nodes[place].link.release(writes, answers);
    }

    fn release_all(&mut self, place: usize) {
        let node = &self.nodes[place];
        if node.link.held() != (false, false) {
            self.history.note(format_args!("e{} goes on", node.number));
        }
        node.link.release_all();
    }

    fn fail(&mut self, place: usize) {
        self.history.count("failing stores");
        let node = &self.nodes[place];
        self.history
            .note(format_args!("the store fails e{}", node.number));
        node.link.fail(true);
    }

    /// The store fails so shortly that it is there again before anybody hears of it. Meanwhile a connection may go.
    async fn fail_unheard(&mut self, place: usize) {
        self.hold(place, false, true);
        self.fail(place);
        let millis = self.dice.between(10, 600);
        self.wait(Duration::from_millis(millis)).await;
        self.receive();
        self.recover();
        if self.dice.percent(50) {
            self.disconnect(place);
            self.let_run(10).await;
        }
        self.release_all(place);
    }

    fn recover(&mut self) {
        for node in self.nodes.iter().filter(|node| node.link.is_failing()) {
            self.history.note(format_args!(
                "the store is there for e{} again",
                node.number
            ));
            node.link.fail(false);
        }
    }

    /// An engine is gone, at any point: also between a write and its answer.
    fn crash(&mut self, place: usize) {
        let (waiting, _) = self.nodes[place].link.waiting();
        let (writes, parts) = (self.dice.below(waiting + 1), self.dice.below(3));
        let node = self.nodes.remove(place);
        self.history.count("crashes");
        if waiting > 0 {
            self.history.count("crashes with writes waiting");
        }
        self.history.note(format_args!(
            "e{} crashes: of {waiting} writes {writes} are durable",
            node.number
        ));
        node.link.crash(writes, parts);
        self.forget(node.number);
        node.abandon();
        self.receive();
    }

    /// An engine is shut down in an orderly way, and another may start.
    async fn restart(&mut self, place: usize) {
        let node = self.nodes.remove(place);
        self.shut_down(node).await;
    }

    pub(super) async fn shut_down(&mut self, node: super::node::Node) {
        self.history.count("shutdowns");
        self.history
            .note(format_args!("e{} shuts down", node.number));
        // Now and then the store fails while it does: then the last positions are not written.
        if self.dice.percent(80) {
            node.link.fail(false);
        }
        node.link.release_all();
        let number = node.number;
        if !node.shut_down().await {
            lock(&self.oracle).violated(8, format_args!("e{number} does not shut down"));
        }
        self.history.note(format_args!("e{number} is down"));
        self.forget(number);
        self.receive();
    }

    /// The engine stalls, and another one starts on the same store. (Not while it changes a subscription: an
    /// engine does not hear of what another one changes.)
    async fn start_second(&mut self) {
        let Some(place) = self.newest() else { return };
        let node = &mut self.nodes[place];
        while node.changes.try_join_next().is_some() {}
        if !node.changes.is_empty() {
            return;
        }
        if self.dice.percent(70) {
            self.hold(place, true, true);
        }
        self.history.count("second engines");
        self.start_node().await;
        self.come_back();
    }

    /// Connections come to an engine that has just started.
    fn come_back(&mut self) {
        if let Some(newest) = self.newest() {
            for _ in 0..self.dice.between(0, 2) {
                self.connect(newest);
            }
        }
    }

    /// The older of two engines ends: it crashes, or wakes, tries what it still wants, and is shut down.
    pub(super) async fn end_old(&mut self) {
        if self.nodes.len() < 2 {
            return;
        }
        if self.dice.percent(30) {
            return self.crash(0);
        }
        self.release_all(0);
        let millis = self.dice.between(1, 2_000);
        self.wait(Duration::from_millis(millis)).await;
        self.receive();
        if self.dice.percent(50) {
            self.restart(0).await;
        }
    }
}
