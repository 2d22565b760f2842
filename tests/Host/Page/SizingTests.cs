using PdEngine.Host;
using static PdEngine.Tests.LoadRig;

namespace PdEngine.Tests;

/// <summary>What the numbers of a service are read as.</summary>
public sealed class SizingTests
{
    private static readonly Load Prefill = new("prefill-0", WorkerType.Prefill, 0.6);
    private static readonly Load Decode = new("decode-0", WorkerType.Decode, 0.7);

    [Test]
    public void A_service_that_keeps_up_gets_no_advice() =>
        Assert.That(Sizing.Of(Window(Prefill, Decode)), Is.Empty);

    [Test]
    public void Decode_workers_that_wait_for_prefill_give_a_device_away()
    {
        Load busy = Prefill with { Busy = 0.95, Queued = 7 }, idle = Decode with { Busy = 0.2 };
        Advice advice = Only(Window(busy, idle, idle with { Name = "decode-1" }), "prefill-short");
        Assert.That(advice.Says, Does.Contain("wait for prefill 80% of the time").And.Contain("7 prompts"));
        Assert.That(advice.Do, Does.StartWith("Move a device from decode (2 workers) to prefill"));
        Advice alone = Only(Window(busy, idle), "prefill-short");
        Assert.That(alone.Do, Does.Contain("one decode worker only").And.Contain("--rollout-num-gpus"));
        Advice onGpus = Only(Window(busy, idle with { Devices = "cuda:1" },
            idle with { Name = "decode-1", Devices = "cuda:2" }), "prefill-short");
        Assert.That(onGpus.Do, Does.StartWith("Move a GPU"));
    }

    [TestCase(0.8, 7, 0.2, TestName = "Not where prefill has time")]
    [TestCase(0.95, 0, 0.2, TestName = "Not where nothing queues")]
    [TestCase(0.95, 7, 0.6, TestName = "Not where decode is at work")]
    public void Prefill_is_not_said_to_be_short(double prefill, int queued, double decode) =>
        Assert.That(Rules(Window(
            Prefill with { Busy = prefill, Queued = queued }, Decode with { Busy = decode })),
            Has.None.EqualTo("prefill-short"));

    [Test]
    public void Prefill_workers_that_rest_while_decode_is_full_give_a_device_away()
    {
        Load idle = Prefill with { Busy = 0.1 }, busy = Decode with { Busy = 0.97, Decoding = 40 };
        Advice calm = Only(Window(idle, busy), "decode-short");
        Advice urgent = Only(Window(idle, busy with { Arrived = 3 }), "decode-short");
        Assert.That((calm.IsUrgent, urgent.IsUrgent), Is.EqualTo((false, true)));
        Assert.That(urgent.Says, Does.Contain("rest 90%").And.Contain("3 handed-over"));
    }

    [Test]
    public void Retractions_say_that_the_pool_is_too_small()
    {
        Load worker = new("regular-0", WorkerType.Regular, 0.7) { RetractionsPerMinute = 12 };
        Advice advice = Only(Window(heldPart: 0.96, worker), "kv-retractions");
        Assert.That(advice.Says, Does.StartWith("KV 96% full and 12 retractions/min"));
        Assert.That(advice.Do, Does.Contain("--max-total-tokens").And.Contain("--max-running-requests"));
        Assert.That(advice.IsUrgent);
    }

    [Test]
    public void A_full_pool_with_a_queue_is_too_small_and_one_without_is_used_well()
    {
        Load worker = new("regular-0", WorkerType.Regular, 0.7);
        Load waited = worker with { Queued = 4 };
        Assert.That(Rules(Window(heldPart: 0.95, waited)), Is.EqualTo(new[] { "kv-full" }));
        Assert.That(Rules(Window(heldPart: 0.95, worker)), Is.Empty);
        Assert.That(Rules(Window(heldPart: 0.5, waited)), Is.Empty);
    }

    [Test]
    public void A_worker_at_its_limit_of_sequences_is_told_from_one_out_of_blocks()
    {
        Load worker = new("regular-0", WorkerType.Regular, 0.7) { Decoding = 8, MaxRunning = 8, Queued = 3 };
        Advice advice = Only(Window(worker), "running-limit");
        Assert.That(advice.Says, Does.Contain("regular-0").And.Contain("(8)").And.Contain("40% full"));
        Assert.That(Rules(Window(worker with { Decoding = 7 })), Is.Empty);
        Assert.That(Rules(Window(heldPart: 0.95, worker)), Is.EqualTo(new[] { "kv-full" }));
    }

    [Test]
    public void Where_all_are_busy_only_more_hardware_helps()
    {
        Load worker = new("regular-0", WorkerType.Regular, 0.95) { Queued = 9 };
        Advice advice = Only(Window(worker), "all-busy");
        Assert.That(advice.Says, Does.Contain("9 requests wait").And.Contain("100 tokens/s"));
        Assert.That(Rules(Window(worker, worker with { Name = "regular-1", Busy = 0.3 })), Is.Empty);
    }

    [Test]
    public void Hand_offs_that_take_much_of_a_request_are_said()
    {
        Quantiles slow = new(10, 60);
        Advice advice = Only(Window(0.24, slow, Prefill, Decode), "handoff-slow");
        Assert.That(advice.Says, Does.Contain("24% of the time").And.Contain("one in 20 takes 60 ms"));
        Assert.That(Rules(Window(0.1, slow, Prefill, Decode)), Is.Empty);
        Assert.That(Rules(Window(0.5, new Quantiles(1, 2), Prefill, Decode)), Is.Empty);
        Assert.That(Rules(Window(null, slow, Prefill, Decode)), Is.Empty);
    }

    [Test]
    public void A_failed_worker_comes_first_and_a_pause_stops_the_rest()
    {
        Load dead = Decode with { Failure = "a bug" };
        Load[] workers = [Prefill with { Busy = 0.99, Queued = 5 }, Decode with { Busy = 0.99 }, dead];
        Assert.That(Rules(Window(workers)), Is.EqualTo(new[] { "dead", "all-busy" }));
        LoadSample[] paused = [.. Samples(0.4, workers).Select(sample => sample with { IsPaused = true })];
        Assert.That(Rules(LoadWindow.Of(paused, 30)!), Is.EqualTo(new[] { "dead", "paused" }));
    }

    private static string[] Rules(LoadWindow window) => [.. Sizing.Of(window).Select(advice => advice.Rule)];

    private static Advice Only(LoadWindow window, string rule)
    {
        IReadOnlyList<Advice> found = Sizing.Of(window);
        Assert.That(found.Select(advice => advice.Rule), Is.EqualTo(new[] { rule }));
        return found[0];
    }
}
