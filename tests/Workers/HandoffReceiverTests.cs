namespace PdEngine.Tests;

public sealed class HandoffReceiverTests
{
    private readonly List<Sequence> _arrived = [];
    private RouterRig _rig = null!;
    private HandoffReceiver _receiver = null!;
    private long _requestCount;

    private KvSpace Source => _rig.Worker(0).Space;

    private KvSpace Target => _rig.Worker(1).Space;

    [SetUp]
    public void Make()
    {
        _rig = new(false, [64, 8], RouterRig.Options, WorkerType.Prefill, WorkerType.Decode);
        _receiver = new(Target, TimeProvider.System);
        _requestCount = 0;
        _arrived.Clear();
    }

    [TearDown]
    public void Drop()
    {
        _receiver.DropAll();
        _rig.Dispose();
    }

    [Test]
    public void It_copies_what_is_lent_and_waits_for_the_rest()
    {
        Handoff handoff = Expect(tokens: 16, lentBlocks: 2);
        Advance();
        Assert.That(Copied(handoff), Is.EqualTo(new[] { true, true, false, false }));
        Assert.That(_receiver.HasMore, Is.False);
        Source.Lend(handoff.SourceHold, 4);
        Advance();
        Assert.That(Copied(handoff), Is.All.True);
        Assert.That(_arrived, Is.Empty);
        _receiver.Complete(handoff);
        Advance();
        Assert.That(_arrived, Is.EqualTo(new[] { handoff.Sequence }));
        Assert.That(Source.ChargedBlocks, Is.Zero);
        Assert.That(handoff.Sequence.Blocks.Count, Is.EqualTo(4));
        Target.Release(handoff.Sequence.Kv);
    }

    [Test]
    public void A_copy_stops_at_its_budget_and_says_so()
    {
        Handoff handoff = Expect(tokens: 32, lentBlocks: 8);
        _receiver.Complete(handoff);
        int calls = 0;
        for (; _arrived.Count == 0; calls++)
            _receiver.Advance(1, 0, long.MaxValue, _arrived);
        Assert.That(calls, Is.GreaterThan(1));
        Assert.That(_receiver.HasMore, Is.False);
        Target.Release(handoff.Sequence.Kv);
    }

    [Test]
    public void The_first_that_does_not_fit_holds_back_all_behind_it()
    {
        Expect(tokens: 20, lentBlocks: 0);
        Handoff large = Expect(tokens: 24, lentBlocks: 0);
        Expect(tokens: 4, lentBlocks: 0);
        Advance();
        Assert.That(Target.ChargedBlocks, Is.EqualTo(5));
        Assert.That((_receiver.AwaitsBlocks, _receiver.WaitingArrival), Is.EqualTo((true, 2L)));
        _receiver.TryDrop(large);
        Advance();
        Assert.That(Target.ChargedBlocks, Is.EqualTo(6));
        Assert.That((_receiver.AwaitsBlocks, _receiver.WaitingArrival), Is.EqualTo((false, long.MaxValue)));
    }

    [Test]
    public void Nothing_younger_than_what_the_worker_waits_for_takes_blocks()
    {
        Expect(tokens: 4, lentBlocks: 0);
        Expect(tokens: 4, lentBlocks: 0);
        _receiver.Advance(1 << 30, 0, before: 1, _arrived);
        Assert.That(Target.ChargedBlocks, Is.EqualTo(1));
    }

    [Test]
    public void One_that_is_dropped_gives_back_what_is_its_own([Values] bool isComplete)
    {
        Handoff handoff = Expect(tokens: 16, lentBlocks: 4);
        Advance();
        if (isComplete)
            _receiver.Complete(handoff);
        Assert.That(_receiver.TryDrop(handoff), Is.True);
        Assert.That(Target.ChargedBlocks, Is.Zero);
        Assert.That(Source.ChargedBlocks, Is.EqualTo(isComplete ? 0 : 4), "the source has not let go yet");
        Assert.That(_receiver.TryDrop(handoff), Is.False);
        Source.Release(handoff.SourceHold);
    }

    [Test]
    public void A_source_that_has_given_up_is_no_longer_read()
    {
        Handoff handoff = Expect(tokens: 16, lentBlocks: 2);
        Source.Release(handoff.SourceHold);
        Advance();
        Assert.That(_rig.Transfer!.CopyCount, Is.Zero);
    }

    private void Advance() => _receiver.Advance(1 << 30, 0, long.MaxValue, _arrived);

    private bool[] Copied(Handoff handoff)
    {
        bool[] copied = new bool[handoff.SourceHold.Blocks.Count];
        for (int i = 0; i < copied.Length; i++)
            copied[i] = _rig.Memories[0].IsCopied(handoff.SourceHold.Blocks[i]);
        return copied;
    }

    private Handoff Expect(int tokens, int lentBlocks)
    {
        int[] prompt = WorkerRig.Tokens(tokens, (int)++_requestCount);
        Request request = new()
        {
            Id = new(_requestCount),
            PromptTokens = prompt,
            Seed = 1,
            StopTokenIds = [],
            PenaltyPromptCount = prompt.Length,
            Sampling = new() { MaxNewTokens = 1 },
        };
        Sequence sequence = new(request, new SimulatedCall(request), submittedTicks: 0);
        Handoff handoff = new(sequence, _rig.Worker(0), _rig.Worker(1), _rig.OpenTransfer(0, 1));
        bool admitted = Source.TryAdmit(handoff.SourceHold, prompt, 0, tokens, 0);
        Assert.That(admitted, Is.True);
        Source.Lend(handoff.SourceHold, lentBlocks);
        _receiver.Expect(handoff, prompt, arrival: _requestCount);
        return handoff;
    }
}
