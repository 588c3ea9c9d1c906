// SPDX-License-Identifier: Apache-2.0
#include "cli/audit_courier.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <vector>

namespace leadglass {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A syslog server on this machine.
class UdpServer {
 public:
  UdpServer() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* const any = reinterpret_cast<const sockaddr*>(&address);
    EXPECT_EQ(::bind(socket_.get(), any, sizeof(address)), 0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    const timeval wait{10, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
  }
  uint16_t port() const { return port_; }
  // Empty: nothing came.
  std::string Receive() {
    std::string text(65'536, '\0');
    const ssize_t got = ::recv(socket_.get(), text.data(), text.size(), 0);
    text.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return text;
  }

 private:
  UniqueFd socket_;
  uint16_t port_ = 0;
};

AuditCopies ToPort(uint16_t port) {
  AuditCopies where;
  where.syslog = AuditCopies::Syslog::kUdp;
  where.host = "127.0.0.1";
  where.port = port;
  return where;
}

std::vector<AuditRecord> Records(size_t count) {
  std::vector<AuditRecord> records(count);
  for (size_t i = 0; i < count; ++i) {
    records[i].action = AuditAction::kRemove;
    records[i].study = "1.2." + std::to_string(i);
  }
  return records;
}

TEST(AuditCourier, TakesRecordsToTheSyslogHostInTheirOrder) {
  UdpServer server;
  std::vector<std::string> complaints;
  {
    AuditCourier courier("00ff", [&](const std::string& text) { complaints.push_back(text); });
    courier.Take(ToPort(server.port()), Records(3));
    for (int i = 0; i < 3; ++i)
      EXPECT_THAT(server.Receive(), AllOf(HasSubstr("DICOM+RFC3881 - <?xml"),
                                          HasSubstr("\"1.2." + std::to_string(i) + "\"")));
  }
  EXPECT_THAT(complaints, IsEmpty());
}

TEST(AuditCourier, DeliversWhatWaitsBeforeItEnds) {
  UdpServer server;
  std::make_unique<AuditCourier>("00ff", [](const std::string&) {
  })->Take(ToPort(server.port()), Records(20));
  for (int i = 0; i < 20; ++i) EXPECT_THAT(server.Receive(), HasSubstr("<AuditMessage>"));
}

TEST(AuditCourier, SaysOnceThatCopiesGetLostAndHowManyWhenTheyArriveAgain) {
  UdpServer server;
  std::vector<std::string> complaints;
  {
    AuditCourier courier("00ff", [&](const std::string& text) { complaints.push_back(text); });
    AuditCopies nowhere = ToPort(9);
    nowhere.host = "255.255.255.255";
    courier.Take(nowhere, Records(50));
    courier.Take(ToPort(server.port()), Records(1));
    EXPECT_THAT(server.Receive(), HasSubstr("<AuditMessage>"));
  }
  EXPECT_THAT(complaints, ElementsAre(AllOf(HasSubstr("get lost"), HasSubstr("255.255.255.255")),
                                      AllOf(HasSubstr("arrive again"), HasSubstr("50"))));
}

TEST(AuditCourier, DropsWhatNobodyCouldKeepAndSaysHowMuch) {
  std::vector<std::string> complaints;
  {
    AuditCourier courier("00ff", [&](const std::string& text) { complaints.push_back(text); });
    AuditCopies nowhere = ToPort(9);
    nowhere.host = "255.255.255.255";
    courier.Take(nowhere, Records(60'000));
  }
  ASSERT_THAT(complaints, SizeIs(2));
  EXPECT_THAT(complaints.back(), HasSubstr("60000 copies"));
}

}  // namespace
}  // namespace leadglass
