"""Images and snapshots: made, waited for, copied, shared, and removed, as botocore sees them."""

from __future__ import annotations

import pytest
from botocore.exceptions import WaiterError

from fanout.testing import HubKey, World

MANAGEMENT = "999900000000"
TAGS = [{"Key": "made-by", "Value": "fanout"}]
BOTH = [{"ResourceType": "image", "Tags": TAGS}, {"ResourceType": "snapshot", "Tags": TAGS}]


def instance(ec2, number: int = 0) -> dict:
    return ec2.describe_instances()["Reservations"][number]["Instances"][0]


def make(ec2, name: str = "web", number: int = 0, **arguments) -> str:
    return ec2.create_image(InstanceId=instance(ec2, number)["InstanceId"], Name=name, **arguments)["ImageId"]


def images(ec2, **arguments) -> list[dict]:
    return ec2.describe_images(**({"Owners": ["self"]} | arguments))["Images"]


def snapshots(ec2, **arguments) -> list[dict]:
    return ec2.describe_snapshots(OwnerIds=["self"], **arguments)["Snapshots"]


@pytest.fixture
def ec2(serve):
    return serve(World.generate(1, instance_disks=2)).client("ec2")


def test_image_has_a_snapshot_of_each_volume_and_the_tags_asked_for(ec2):
    image = make(ec2, "web 1", Description="before the change", TagSpecifications=BOTH, NoReboot=True)
    (shown,) = images(ec2)
    disks = [disk["Ebs"]["VolumeId"] for disk in instance(ec2)["BlockDeviceMappings"]]
    assert (shown["ImageId"], shown["Name"], shown["Description"]) == (image, "web 1", "before the change")
    assert (shown["OwnerId"], shown["State"], shown["Tags"]) == (MANAGEMENT, "available", TAGS)
    assert shown["SourceInstanceId"] == instance(ec2)["InstanceId"]
    assert [each["DeviceName"] for each in shown["BlockDeviceMappings"]] == ["/dev/xvda", "/dev/xvdb"]
    made = snapshots(ec2)
    assert [each["VolumeId"] for each in made] == disks
    assert [each["SnapshotId"] for each in made] == [each["Ebs"]["SnapshotId"] for each in shown["BlockDeviceMappings"]]
    assert [(each["State"], each["Progress"], each["Tags"]) for each in made] == [("completed", "100%", TAGS)] * 2
    assert image in made[0]["Description"]


def test_device_may_be_left_out(ec2):
    make(ec2, BlockDeviceMappings=[{"DeviceName": "/dev/xvdb", "NoDevice": ""}])
    assert [each["DeviceName"] for each in images(ec2)[0]["BlockDeviceMappings"]] == ["/dev/xvda"]
    assert len(snapshots(ec2)) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"Name": "ab"}, "InvalidAMIName.Malformed"),
        ({"Name": "a" * 129}, "InvalidAMIName.Malformed"),
        ({"Name": "a{b}c"}, "InvalidAMIName.Malformed"),
        ({"Name": "taken"}, "InvalidAMIName.Duplicate"),
        ({"InstanceId": "i-0000"}, "InvalidInstanceID.NotFound"),
        ({"Description": "d" * 256}, "InvalidParameterValue"),
        ({"TagSpecifications": [{"ResourceType": "instance", "Tags": TAGS}]}, "InvalidParameterValue"),
        ({"DryRun": True}, "DryRunOperation"),
    ],
)
def test_refused_image_leaves_nothing(ec2, code, arguments, expected):
    make(ec2, "taken")
    wanted = {"InstanceId": instance(ec2)["InstanceId"], "Name": "fresh (1) [a] ./-'@_", **arguments}
    assert code(ec2.create_image, **wanted) == expected
    assert (len(images(ec2)), len(snapshots(ec2))) == (1, 2)


def test_name_is_free_in_another_region_and_after_deregistering(serve, code):
    hub = serve(World.generate(1))
    here, there = hub.client("ec2"), hub.client("ec2", region="eu-west-1")
    first = make(here)
    make(there)
    here.deregister_image(ImageId=first)
    assert make(here) != first


def test_instance_on_its_way_is_not_made_an_image_of(serve, code):
    ec2 = serve(World.generate(1, power_looks=9)).client("ec2")
    first = instance(ec2)["InstanceId"]
    ec2.stop_instances(InstanceIds=[first])
    assert code(ec2.create_image, InstanceId=first, Name="web") == "IncorrectState"


def test_image_is_pending_for_its_looks(serve):
    ec2 = serve(World.generate(1, image_looks=2)).client("ec2")
    first, second = make(ec2, "one"), make(ec2, "two")
    found = [[each["State"] for each in images(ec2, ImageIds=[first])] for _ in range(3)]
    assert found == [["pending"], ["pending"], ["available"]]
    assert [each["State"] for each in images(ec2, ImageIds=[second])] == ["pending"]


def test_image_is_pending_for_its_time(serve):
    hub = serve(World.generate(1, image_seconds=300))
    ec2 = hub.client("ec2")
    make(ec2)
    assert images(ec2)[0]["State"] == "pending"
    assert [(each["State"], each["Progress"]) for each in snapshots(ec2)] == [("pending", "37%")]
    assert images(ec2, Filters=[{"Name": "state", "Values": ["available"]}]) == []
    hub.endpoint.advance(301)
    assert images(ec2)[0]["State"] == "available"
    assert snapshots(ec2)[0]["State"] == "completed"


def test_image_may_fail(serve):
    ec2 = serve(World.generate(1, image_failures=("bad-*",))).client("ec2")
    bad, good = make(ec2, "bad-1"), make(ec2, "good-1", 1)
    assert {each["ImageId"]: each["State"] for each in images(ec2)} == {bad: "failed", good: "available"}
    assert images(ec2, ImageIds=[bad])[0]["StateReason"]["Message"]
    with pytest.raises(WaiterError):
        ec2.get_waiter("image_available").wait(ImageIds=[bad], WaiterConfig={"MaxAttempts": 1})


def test_fresh_image_is_not_yet_shown_but_holds_its_name(serve, code):
    ec2 = serve(World.generate(1, image_hidden_looks=2)).client("ec2")
    image = make(ec2)
    assert images(ec2) == []
    assert code(ec2.create_image, InstanceId=instance(ec2)["InstanceId"], Name="web") == "InvalidAMIName.Duplicate"
    assert code(ec2.describe_images, ImageIds=[image]) == "InvalidAMIID.NotFound"
    assert [each["ImageId"] for each in images(ec2)] == [image]


def test_fresh_image_is_shown_after_its_seconds(serve):
    hub = serve(World.generate(1, image_hidden_seconds=30))
    ec2 = hub.client("ec2")
    make(ec2)
    hub.endpoint.advance(29)
    assert images(ec2) == []
    hub.endpoint.advance(2)
    assert len(images(ec2)) == 1


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("name", ["web-*"], ["web-0", "web-1"]),
        ("name", ["web-0"], ["web-0"]),
        ("tag:made-by", ["fanout"], ["web-0"]),
        ("tag-key", ["made-by"], ["web-0"]),
        ("state", ["available"], ["db-2", "web-0", "web-1"]),
        ("state", ["pending"], []),
    ],
)
def test_images_are_filtered(ec2, name, values, found):
    make(ec2, "web-0", TagSpecifications=BOTH)
    make(ec2, "web-1", 1)
    make(ec2, "db-2", 2)
    assert sorted(each["Name"] for each in images(ec2, Filters=[{"Name": name, "Values": values}])) == found


def test_images_come_in_pages(ec2):
    made = {make(ec2, f"web-{number:02d}", number % 5) for number in range(12)}
    pages = list(ec2.get_paginator("describe_images").paginate(Owners=["self"], PaginationConfig={"PageSize": 5}))
    assert [len(page["Images"]) for page in pages] == [5, 5, 2]
    assert {each["ImageId"] for page in pages for each in page["Images"]} == made
    pages = list(ec2.get_paginator("describe_snapshots").paginate(OwnerIds=["self"], PaginationConfig={"PageSize": 10}))
    assert [len(page["Snapshots"]) for page in pages] == [10, 10, 4]


def test_snapshot_is_deleted_after_its_image(ec2, code):
    image = make(ec2, TagSpecifications=BOTH)
    first, second = (each["SnapshotId"] for each in snapshots(ec2))
    assert code(ec2.delete_snapshot, SnapshotId=first) == "InvalidSnapshot.InUse"
    assert code(ec2.deregister_image, ImageId=image, DryRun=True) == "DryRunOperation"
    ec2.deregister_image(ImageId=image)
    assert images(ec2) == []
    assert code(ec2.describe_images, ImageIds=[image]) == "InvalidAMIID.NotFound"
    assert code(ec2.deregister_image, ImageId=image) == "InvalidAMIID.Unavailable"
    assert code(ec2.delete_snapshot, SnapshotId=first, DryRun=True) == "DryRunOperation"
    ec2.delete_snapshot(SnapshotId=first)
    assert [each["SnapshotId"] for each in snapshots(ec2, Filters=[{"Name": "tag:made-by", "Values": ["*"]}])] == [
        second
    ]
    assert code(ec2.delete_snapshot, SnapshotId=first) == "InvalidSnapshot.NotFound"
    assert code(ec2.describe_snapshots, SnapshotIds=[first]) == "InvalidSnapshot.NotFound"


def test_snapshots_go_with_their_image_where_asked(ec2):
    told = ec2.deregister_image(ImageId=make(ec2), DeleteAssociatedSnapshots=True)
    assert [each["ReturnCode"] for each in told["DeleteSnapshotResults"]] == ["success", "success"]
    assert snapshots(ec2) == []


@pytest.mark.parametrize(
    ("image", "expected"), [("ami-0000", "InvalidAMIID.NotFound"), ("web", "InvalidAMIID.Malformed")]
)
def test_image_that_is_not_there(ec2, code, image, expected):
    for call in (ec2.deregister_image, ec2.describe_image_attribute):
        more = {"Attribute": "launchPermission"} if call == ec2.describe_image_attribute else {}
        assert code(call, ImageId=image, **more) == expected
    assert code(ec2.describe_images, ImageIds=[image]) == expected


def test_copy_is_made_once_for_a_client_token(serve, code):
    hub = serve(World.generate(1))
    here, there = hub.client("ec2"), hub.client("ec2", region="eu-west-1")
    source = make(here, TagSpecifications=BOTH)
    wanted = {"SourceImageId": source, "SourceRegion": "us-east-1", "Name": "copied", "ClientToken": "t-1"}
    copy = there.copy_image(**wanted, CopyImageTags=True)["ImageId"]
    assert there.copy_image(**wanted, CopyImageTags=True)["ImageId"] == copy
    assert code(there.copy_image, **{**wanted, "Name": "others"}) == "IdempotentParameterMismatch"
    (shown,) = images(there)
    assert (shown["ImageId"], shown["Name"], shown["Tags"]) == (copy, "copied", TAGS)
    assert (shown["SourceImageId"], shown["SourceImageRegion"]) == (source, "us-east-1")
    assert len(snapshots(there)) == 1
    assert code(there.copy_image, **{**wanted, "ClientToken": "t-2"}) == "InvalidAMIName.Duplicate"
    assert code(there.copy_image, **{**wanted, "SourceImageId": "ami-0000"}) == "InvalidAMIID.NotFound"
    assert [each["ImageId"] for each in images(here)] == [source]


@pytest.mark.parametrize(
    ("by_default", "arguments", "key"),
    [
        (False, {}, None),
        (False, {"Encrypted": True}, "alias/aws/ebs"),
        (False, {"Encrypted": True, "KmsKeyId": "alias/mine"}, "alias/mine"),
        (True, {}, "alias/aws/ebs"),
    ],
)
def test_copy_is_encrypted_where_asked_or_by_default(serve, by_default, arguments, key):
    ec2 = serve(World.generate(1)).client("ec2")
    if by_default:
        ec2.enable_ebs_encryption_by_default()
    ec2.copy_image(SourceImageId=make(ec2), SourceRegion="us-east-1", Name="copied", **arguments)
    shown = snapshots(ec2)[1]
    assert (shown["Encrypted"], shown.get("KmsKeyId")) == (key is not None, key)


def test_pending_image_is_neither_copied_nor_shared(serve, code):
    ec2 = serve(World.generate(1, image_seconds=60)).client("ec2")
    image = make(ec2)
    arguments = {"SourceImageId": image, "SourceRegion": "us-east-1", "Name": "copied"}
    assert code(ec2.copy_image, **arguments) == "InvalidAMIID.Unavailable"
    wanted = {"Add": [{"UserId": "111122223333"}]}
    assert code(ec2.modify_image_attribute, ImageId=image, LaunchPermission=wanted) == "InvalidAMIID.Unavailable"


def test_shared_image_is_copied_only_where_its_snapshots_are_shared(serve, code):
    hub = serve(World.generate(2))
    ec2, friend = hub.client("ec2"), hub.endpoint.world.accounts[1].id
    theirs = hub.client("ec2", hub.assume(friend, "OrganizationAccountAccessRole"))
    image = make(ec2)
    wanted = {"SourceImageId": image, "SourceRegion": "us-east-1", "Name": "mine"}
    assert code(theirs.copy_image, **wanted) == "InvalidAMIID.NotFound"
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": friend}]})
    assert code(theirs.copy_image, **wanted) == "InvalidRequest"
    added = {"Add": [{"UserId": friend}]}
    ec2.modify_snapshot_attribute(SnapshotId=snapshots(ec2)[0]["SnapshotId"], CreateVolumePermission=added)
    theirs.copy_image(**wanted)
    assert [each["OwnerId"] for each in images(theirs)] == [friend]


def test_image_is_shared_and_no_longer(serve, code):
    hub = serve(World.generate(3))
    ec2, friend = hub.client("ec2"), hub.endpoint.world.accounts[1].id
    others = [hub.client("ec2", hub.assume(each.id)) for each in hub.endpoint.world.accounts[1:]]
    image = make(ec2, TagSpecifications=BOTH)
    assert code(others[0].describe_images, ImageIds=[image]) == "InvalidAMIID.NotFound"
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"UserId": friend}]})
    told = ec2.describe_image_attribute(ImageId=image, Attribute="launchPermission")
    assert told["LaunchPermissions"] == [{"UserId": friend}]
    (shown,) = images(others[0], ImageIds=[image], Owners=[], ExecutableUsers=["self"])
    assert (shown["OwnerId"], shown.get("Tags", [])) == (MANAGEMENT, [])
    assert images(others[0]) == []
    assert images(others[1], Owners=[]) == []
    ec2.modify_image_attribute(ImageId=image, Attribute="launchPermission", OperationType="remove", UserIds=[friend])
    assert ec2.describe_image_attribute(ImageId=image, Attribute="launchPermission")["LaunchPermissions"] == []
    assert images(others[0], Owners=[]) == []
    wrong = {"Add": [{"UserId": "me"}]}
    assert code(ec2.modify_image_attribute, ImageId=image, LaunchPermission=wrong) == "InvalidUserID.Malformed"


def test_snapshot_is_shared_unless_awss_own_key_encrypts_it(serve, code):
    hub = serve(World.generate(2))
    ec2, friend = hub.client("ec2"), hub.endpoint.world.accounts[1].id
    source = make(ec2)
    ec2.copy_image(SourceImageId=source, SourceRegion="us-east-1", Name="copied", Encrypted=True)
    plain, encrypted = (each["SnapshotId"] for each in snapshots(ec2))
    wanted = {"CreateVolumePermission": {"Add": [{"UserId": friend}]}}
    ec2.modify_snapshot_attribute(SnapshotId=plain, **wanted)
    told = ec2.describe_snapshot_attribute(SnapshotId=plain, Attribute="createVolumePermission")
    assert told["CreateVolumePermissions"] == [{"UserId": friend}]
    theirs = hub.client("ec2", hub.assume(friend)).describe_snapshots()["Snapshots"]
    assert [each["SnapshotId"] for each in theirs] == [plain]
    assert code(ec2.modify_snapshot_attribute, SnapshotId=encrypted, **wanted) == "OperationNotPermitted"


def allowing(*actions: str) -> World:
    policy = {"Statement": [{"Effect": "Allow", "Action": ["ec2:Describe*", *actions], "Resource": "*"}]}
    return World.generate(1, hub_keys=(HubKey(policies=(policy,)),))


def test_tags_on_an_image_take_a_permission_of_their_own(serve, code):
    ec2 = serve(allowing("ec2:CreateImage")).client("ec2")
    arguments = {"InstanceId": instance(ec2)["InstanceId"], "Name": "web"}
    assert code(ec2.create_image, **arguments, TagSpecifications=BOTH) == "UnauthorizedOperation"
    assert code(ec2.create_image, **arguments, TagSpecifications=BOTH, DryRun=True) == "UnauthorizedOperation"
    ec2.create_image(**arguments)
    assert code(ec2.deregister_image, ImageId=images(ec2)[0]["ImageId"]) == "UnauthorizedOperation"


def test_dry_run_of_whatever_changes_changes_nothing(serve, code):
    hub = serve(World.generate(1, instances=1))
    ec2 = hub.client("ec2")
    image, (snapshot,) = make(ec2), [each["SnapshotId"] for each in snapshots(ec2)]
    first = instance(ec2)["InstanceId"]
    gone = make(hub.client("ec2", region="eu-west-1"))
    empty = next(each for each in ec2.describe_subnets()["Subnets"] if each["SubnetId"] != instance(ec2)["SubnetId"])
    share = {"Add": [{"UserId": "111122223333"}]}
    asked = {
        "stop_instances": {"InstanceIds": [first]},
        "start_instances": {"InstanceIds": [first]},
        "create_tags": {"Resources": [first], "Tags": TAGS},
        "delete_tags": {"Resources": [first]},
        "create_image": {"InstanceId": first, "Name": "another"},
        "copy_image": {"SourceImageId": gone, "SourceRegion": "eu-west-1", "Name": "another"},
        "deregister_image": {"ImageId": image},
        "modify_image_attribute": {"ImageId": image, "LaunchPermission": share},
        "modify_snapshot_attribute": {"SnapshotId": snapshot, "CreateVolumePermission": share},
        "enable_ebs_encryption_by_default": {},
        "disable_ebs_encryption_by_default": {},
        "modify_ebs_default_kms_key_id": {"KmsKeyId": "alias/mine"},
        "reset_ebs_default_kms_key_id": {},
        "delete_subnet": {"SubnetId": empty["SubnetId"]},
    }
    hub.endpoint.reset()
    assert {
        name: code(getattr(ec2, name), **arguments, DryRun=True) for name, arguments in asked.items()
    } == dict.fromkeys(asked, "DryRunOperation")
    assert {each.executed for each in hub.endpoint.changes()} == {False}
    assert instance(ec2)["State"]["Name"] == "running"
    assert ec2.describe_tags(Filters=[{"Name": "key", "Values": ["made-by"]}])["Tags"] == []
    assert [each["ImageId"] for each in images(ec2)] == [image]
    assert ec2.describe_image_attribute(ImageId=image, Attribute="launchPermission")["LaunchPermissions"] == []
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"


def test_instances_and_launch_templates_are_made_of_an_image(serve, code):
    ec2 = serve(World.generate(1, instances=1)).client("ec2")
    image = make(ec2)
    tags = [{"ResourceType": "instance", "Tags": TAGS}]
    ec2.run_instances(ImageId=image, MinCount=1, MaxCount=2, TagSpecifications=tags)
    used = [{"Name": "image-id", "Values": [image]}]
    started = [each["Instances"][0] for each in ec2.describe_instances(Filters=used)["Reservations"]]
    assert [(each["State"]["Name"], each["Tags"]) for each in started] == [("running", TAGS)] * 2
    ec2.stop_instances(InstanceIds=[started[0]["InstanceId"]])
    ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData={"ImageId": image})
    ec2.create_launch_template(LaunchTemplateName="bare", LaunchTemplateData={"InstanceType": "t3.micro"})
    wanted = {"Versions": ["$Latest", "$Default"]}
    (version,) = ec2.describe_launch_template_versions(**wanted, Filters=used)["LaunchTemplateVersions"]
    assert (version["LaunchTemplateName"], version["LaunchTemplateData"]) == ("web", {"ImageId": image})
    assert len(ec2.describe_launch_template_versions(**wanted)["LaunchTemplateVersions"]) == 2
    taken = {"LaunchTemplateName": "web", "LaunchTemplateData": {"ImageId": image}}
    assert code(ec2.create_launch_template, **taken) == "InvalidLaunchTemplateName.AlreadyExistsException"
    assert code(ec2.run_instances, ImageId="ami-0000", MinCount=1, MaxCount=1) == "InvalidAMIID.NotFound"


def test_snapshots_stay_where_the_permission_to_delete_them_is_missing(serve):
    ec2 = serve(allowing("ec2:CreateImage", "ec2:DeregisterImage")).client("ec2")
    told = ec2.deregister_image(ImageId=make(ec2), DeleteAssociatedSnapshots=True)["DeleteSnapshotResults"]
    assert [each["ReturnCode"] for each in told] == ["missing-permissions"]
    assert (len(images(ec2)), len(snapshots(ec2))) == (0, 1)
