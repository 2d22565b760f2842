namespace PdEngine.Tests;

/// <summary>How much of the time a worker computes: batches that overlap count once.</summary>
public sealed class StepBusyTests
{
    private readonly SteppedClock _clock = new();
    private StepRun _steps = null!;

    [SetUp]
    public void Make()
    {
        Pass(7);
        _steps = new(new IdleRunner(), new KvDomain(2, pageSize: 4), _clock);
    }

    [Test]
    public void A_batch_counts_from_its_start_to_its_end()
    {
        Pass(5);
        Start();
        long startTicks = _clock.GetTimestamp();
        Pass(3);
        Assert.That(_steps.BusySinceTicks, Is.EqualTo(startTicks));
        Finish();
        Assert.That(LastSeconds, Is.EqualTo(3));
        Assert.That(_steps.BusySinceTicks, Is.Zero);
    }

    [Test]
    public void What_two_batches_share_counts_once()
    {
        Start();
        Pass(1);
        Start();
        Pass(2);
        Finish();
        Assert.That(LastSeconds, Is.EqualTo(3));
        Assert.That(_steps.BusySinceTicks, Is.EqualTo(_clock.GetTimestamp()));
        Pass(2);
        Finish();
        Assert.That(LastSeconds, Is.EqualTo(2));
        Assert.That(_steps.BusySinceTicks, Is.Zero);
    }

    [Test]
    public void Nothing_is_busy_once_all_is_dropped()
    {
        Start();
        Pass(1);
        Start();
        Assert.That(_steps.TryDrop(), Is.True);
        Assert.That(_steps.BusySinceTicks, Is.Zero);
    }

    private double LastSeconds => TimeSpan.FromTicks(_steps.LastTicks).TotalSeconds;

    private void Pass(int seconds) => _clock.Advance(TimeSpan.FromSeconds(seconds));

    private void Start() => Assert.That(_steps.Start(out _), Is.EqualTo(StepRun.Outcome.Done));

    private void Finish() => Assert.That(_steps.Finish(out _, out _), Is.EqualTo(StepRun.Outcome.Done));

    private sealed class IdleRunner : IModelRunner
    {
        public void Start(ForwardBatch batch)
        {
        }

        public void Finish(ForwardBatch batch)
        {
        }

        public void CopyBlock(int source, int target)
        {
        }

        public void Use(WeightEpoch epoch)
        {
        }

        public void Rest()
        {
        }

        public void Dispose()
        {
        }
    }
}
