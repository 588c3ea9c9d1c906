// SPDX-License-Identifier: Apache-2.0
#include "cli/control_socket.h"

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "tests/support/matchers.h"

namespace leadglass {
namespace {

FuseMount TestMount() {
  FuseMount mount;
  mount.device = "test-" + std::to_string(::getpid()) + ":1";
  mount.owner = ::geteuid();
  return mount;
}

// At a socket that it binds, and removes in the end.
Result<std::unique_ptr<ControlServer>> StartServer(const FuseMount& mount,
                                                   ControlServer::Handler handler,
                                                   ControlDoor door = ControlDoor::kOperators,
                                                   ControlServer::Admits admits = IsOperator) {
  LG_ASSIGN_OR_RETURN(BoundSocket bound, BindControlSocket(mount, door));
  return std::make_unique<ControlServer>(std::move(bound), std::move(handler), std::move(admits));
}

TEST(ControlSocket, AnswersAQuestionHoweverLongTheAnswer) {
  const std::string answer(3'000'000, 'a');
  ASSERT_OK_AND_ASSIGN(const auto server, StartServer(TestMount(), [&](const std::string& question,
                                                                       const ControlPeer&) {
                         return question == "status" ? answer : std::string("?");
                       }));
  EXPECT_THAT(AskControl(TestMount(), "status"), IsOkAndHolds(answer));
  EXPECT_THAT(AskControl(TestMount(), "other"), IsOkAndHolds(std::string("?")));
}

TEST(ControlSocket, TellsWhoAsks) {
  ASSERT_OK_AND_ASSIGN(const auto server,
                       StartServer(TestMount(), [](const std::string&, const auto& peer) {
                         return std::to_string(peer.uid) + " " + std::to_string(peer.gid) + " " +
                                std::to_string(peer.pid);
                       }));
  const std::string me = std::to_string(::geteuid()) + " " + std::to_string(::getegid()) + " " +
                         std::to_string(::getpid());
  EXPECT_THAT(AskControl(TestMount(), "who"), IsOkAndHolds(me));
}

TEST(ControlSocket, SaysThatNobodyListens) {
  EXPECT_THAT(AskControl(TestMount(), "status"), FailsWith(Errc::kUnavailable));
}

TEST(ControlSocket, TakesThePlaceOfOneThatWasLeftBehind) {
  const FuseMount mount = TestMount();
  const pid_t child = ::fork();
  if (child == 0) {
    const auto server =
        StartServer(mount, [](const std::string&, const ControlPeer&) { return "old"; });
    ::_exit(server.has_value() ? 0 : 1);  // without its destructor, as if killed
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  EXPECT_THAT(AskControl(mount, "status"), FailsWith(Errc::kUnavailable));
  ASSERT_OK_AND_ASSIGN(
      const auto server,
      StartServer(mount, [](const std::string&, const ControlPeer&) { return "new"; }));
  EXPECT_THAT(AskControl(mount, "status"), IsOkAndHolds(std::string("new")));
}

// The kernel gives a device number away again while its last owner is still closing his vault.
TEST(ControlSocket, OneThatEndsLeavesItsSuccessorAlone) {
  const FuseMount mount = TestMount();
  auto older = StartServer(mount, [](const std::string&, const ControlPeer&) { return "older"; });
  ASSERT_THAT(older, IsOk());
  auto newer = StartServer(mount, [](const std::string&, const ControlPeer&) { return "newer"; });
  ASSERT_THAT(newer, IsOk());
  older->reset();
  EXPECT_THAT(AskControl(mount, "status"), IsOkAndHolds(std::string("newer")));
  newer->reset();
  EXPECT_THAT(AskControl(mount, "status"), FailsWith(Errc::kUnavailable));
}

TEST(ControlSocket, DoesNotAnswerStrangers) {
  if (::geteuid() != 0) GTEST_SKIP() << "acts as two users";
  const FuseMount mount = TestMount();
  ASSERT_OK_AND_ASSIGN(
      const auto server,
      StartServer(mount, [](const std::string&, const ControlPeer&) { return "secret"; }));
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(2);
    const auto answer = AskControl(mount, "status");
    ::_exit(!answer && answer.error().code == Errc::kAccessDenied ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

// In a child as that user, with that supplementary group: whether it is answered.
bool AnsweredAs(const FuseMount& mount, uid_t uid, gid_t group, ControlDoor door) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgroups(1, &group) != 0 || ::setgid(uid) != 0 || ::setuid(uid) != 0) ::_exit(2);
    ::_exit(AskControl(mount, "?", door).has_value() ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_NE(WEXITSTATUS(status), 2);
  return WEXITSTATUS(status) == 0;
}

TEST(ControlSocket, OfEmergenciesIsForWhomItAdmits) {
  if (::geteuid() != 0) GTEST_SKIP() << "acts as three users";
  const FuseMount mount = TestMount();
  ASSERT_OK_AND_ASSIGN(const auto server,
                       StartServer(
                           mount, [](const std::string&, const ControlPeer&) { return "yes"; },
                           ControlDoor::kEmergency,
                           [](const ControlPeer& peer) {
                             return std::count(peer.groups.begin(), peer.groups.end(), 60'100u) > 0;
                           }));
  EXPECT_TRUE(AnsweredAs(mount, 60'001, 60'100, ControlDoor::kEmergency));
  EXPECT_FALSE(AnsweredAs(mount, 60'001, 60'101, ControlDoor::kEmergency));
  EXPECT_FALSE(AnsweredAs(mount, 60'001, 60'100, ControlDoor::kOperators));
}

}  // namespace
}  // namespace leadglass
