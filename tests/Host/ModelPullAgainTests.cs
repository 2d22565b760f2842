using System.Text;
using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary><c>pdengine model pull</c> of a revision that has moved on since the last time.</summary>
public sealed class ModelPullAgainTests
{
    private static readonly string Weights = HfFolder.SingleFile;
    private static readonly string Later = new('d', 40);

    [Test]
    public async Task What_changed_comes_what_is_gone_goes_and_the_rest_stays()
    {
        await using HubRig hub = await ModelPullTests.ModelHubAsync();
        hub.Small["notes.txt"] = [1, 2];
        string folder = await PulledAsync(hub);
        string own = Path.Combine(folder, "own.txt"), gone = Path.Combine(folder, "notes.txt");
        File.WriteAllText(own, "mine");
        MoveOn(hub);
        hub.Small.Remove("notes.txt");
        hub.Small["sub/new.json"] = [3];
        PdEngineRun run = await hub.PullAsync(folder);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        ModelPullTests.AssertHas(folder, hub);
        Assert.That((File.Exists(gone), File.ReadAllText(own)), Is.EqualTo((false, "mine")));
        Assert.That(run.Error, Does.Contain("at dddddddddddd (there is cccccccccccc): 3 of "));
        Assert.That(run.Error, Does.Contain("1 that it has no more goes"));
        Assert.That(hub.Seen.Where(one => !one.Path.StartsWith("/api", StringComparison.Ordinal))
            .Select(one => Path.GetFileName(one.Path)).Distinct(),
            Is.EquivalentTo(new[] { Weights, "config.json", "new.json" }));
        Assert.That(PullRecord.Read(folder)!.Listing.Commit, Is.EqualTo(Later));
        hub.Seen.Clear();
        Assert.That((await hub.PullAsync(folder)).ExitCode, Is.Zero);
        Assert.That(hub.Seen, Has.Count.EqualTo(1), "the listing alone");
    }

    [Test]
    public async Task A_run_that_fails_leaves_the_revision_before_as_it_was()
    {
        await using HubRig hub = await ModelPullTests.ModelHubAsync();
        string folder = await PulledAsync(hub);
        byte[] config = hub.Small["config.json"], weights = hub.Large[Weights];
        MoveOn(hub);
        hub.Listed[Weights] = [1, 2, 3];
        PdEngineRun run = await hub.PullAsync(folder);
        Assert.That(run.ExitCode, Is.EqualTo(1), run.Error);
        Assert.That(File.ReadAllBytes(Path.Combine(folder, "config.json")), Is.EqualTo(config));
        Assert.That(File.ReadAllBytes(Path.Combine(folder, Weights)), Is.EqualTo(weights));
        hub.Listed.Clear();
        Assert.That((await hub.PullAsync(folder)).ExitCode, Is.Zero);
        ModelPullTests.AssertHas(folder, hub);
    }

    [Test]
    public async Task A_run_that_is_killed_as_files_change_leaves_nothing_that_loads(
        [Values] bool isNewConfig)
    {
        await using HubRig hub = await ModelPullTests.ModelHubAsync();
        string folder = await PulledAsync(hub);
        IReadOnlyList<HubFile> files = PullRecord.Read(folder)!.Listing.Files;
        HubFile config = files.Single(file => file.Name == "config.json");
        HubFile gone = files.First(file => file.Name.Contains("token", StringComparison.Ordinal));
        HubFile never = new("never.json", 1, null, null);
        // A file that has not come stands for the kill.
        PullFolder pulled = new(folder);
        pulled.PartialOf(never);
        Assert.Throws<FileNotFoundException>(() => pulled.Place(
            isNewConfig ? [config, never] : [never], [gone], config));
        CheckpointException? refusal = Assert.Throws<CheckpointException>(() => Checkpoint.Open(folder));
        Assert.That(refusal!.Message, Does.Contain("no config.json"));
        Assert.That((await hub.PullAsync(folder)).ExitCode, Is.Zero);
        ModelPullTests.AssertHas(folder, hub);
    }

    [Test]
    public async Task A_file_that_was_changed_by_hand_is_not_replaced()
    {
        await using HubRig hub = await ModelPullTests.ModelHubAsync();
        string folder = await PulledAsync(hub), config = Path.Combine(folder, "config.json");
        File.AppendAllText(config, " ");
        byte[] mine = File.ReadAllBytes(config), weights = hub.Large[Weights];
        MoveOn(hub);
        (await hub.PullAsync(folder)).AssertRefused("--to", "'config.json'", "--force");
        Assert.That(File.ReadAllBytes(config), Is.EqualTo(mine));
        Assert.That(File.ReadAllBytes(Path.Combine(folder, Weights)), Is.EqualTo(weights));
        Assert.That((await hub.PullAsync(folder, "--force")).ExitCode, Is.Zero);
        ModelPullTests.AssertHas(folder, hub);
    }

    [Test]
    public async Task Without_checksums_a_file_of_the_same_size_is_not_taken_for_the_same()
    {
        await using HubRig hub = await ModelPullTests.ModelHubAsync();
        hub.ListsBlobs = false;
        string folder = await PulledAsync(hub);
        hub.Head = Later;
        byte[] config = [.. hub.Small["config.json"]];
        config[^1] = (byte)' ';
        hub.Small["config.json"] = config;
        (await hub.PullAsync(folder)).AssertRefused("--to", "--force");
        Assert.That((await hub.PullAsync(folder, "--force")).ExitCode, Is.Zero);
        ModelPullTests.AssertHas(folder, hub);
    }

    [Test]
    public async Task Files_of_two_revisions_do_not_come_to_lie_together()
    {
        await using HubRig hub = await ModelPullTests.ModelHubAsync();
        string folder = await PulledAsync(hub);
        byte[] config = hub.Small["config.json"];
        MoveOn(hub);
        (await hub.PullAsync(folder, "--include", "*.json"))
            .AssertRefused("--to", $"'{Weights}'", "cccccccccccc", "dddddddddddd");
        Assert.That(File.ReadAllBytes(Path.Combine(folder, "config.json")), Is.EqualTo(config));
    }

    [Test]
    public async Task A_record_that_names_files_elsewhere_is_not_believed()
    {
        await using HubRig hub = await ModelPullTests.ModelHubAsync();
        string folder = Path.Combine(TestFiles.Scratch(), "inner");
        Assert.That((await hub.PullAsync(folder)).ExitCode, Is.Zero);
        string victim = Path.Combine(folder, "..", "config.json");
        File.Copy(Path.Combine(folder, "config.json"), victim);
        string record = Path.Combine(folder, PullRecord.Name);
        File.WriteAllText(record, File.ReadAllText(record).Replace(
            "\"config.json\"", "\"../config.json\"", StringComparison.Ordinal), new UTF8Encoding(false));
        Assert.That(PullRecord.Read(folder), Is.Null);
        MoveOn(hub);
        (await hub.PullAsync(folder)).AssertRefused("--to", "--force");
        Assert.That(File.Exists(victim), Is.True);
    }

    private static async Task<string> PulledAsync(HubRig hub)
    {
        string folder = TestFiles.Scratch();
        PdEngineRun run = await hub.PullAsync(folder);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        hub.Seen.Clear();
        return folder;
    }

    /// <summary>Another commit with another configuration and other weights.</summary>
    private static void MoveOn(HubRig hub)
    {
        hub.Head = Later;
        hub.Small["config.json"] = [.. hub.Small["config.json"], (byte)'\n'];
        byte[] weights = [.. hub.Large[Weights]];
        weights[^1] ^= 1;
        hub.Large[Weights] = weights;
    }
}
