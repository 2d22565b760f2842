using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary>How often streams may send.</summary>
public sealed class EventPaceTests
{
    private const int Cores = 2;
    private static readonly Task Never = new TaskCompletionSource().Task;

    [Test]
    public void Few_streams_never_wait_and_many_wait_no_longer_than_an_eye_sees()
    {
        using HandClock clock = new();
        using EventPace pace = new(clock, Cores);
        List<PaceTurn> turns = [pace.Join(Never), pace.Join(Never), pace.Join(Never)];
        Assert.That(pace.Wait, Is.EqualTo(TimeSpan.Zero));
        Assert.That(turns[0].NextAsync().AsTask().IsCompletedSuccessfully, Is.True);
        Assert.That(clock.Due, Is.Null);
        while (turns.Count < 32)
            turns.Add(pace.Join(Never));
        Assert.That(pace.Wait, Is.EqualTo(TimeSpan.FromMilliseconds(8)));
        while (turns.Count < 1000)
            turns.Add(pace.Join(Never));
        Assert.That(pace.Wait, Is.EqualTo(EventPace.LongestWait));
        turns.ForEach(turn => turn.Dispose());
        Assert.That(pace.Wait, Is.EqualTo(TimeSpan.Zero));
    }

    [Test]
    public async Task All_that_wait_go_on_with_one_pulse()
    {
        using HandClock clock = new();
        using EventPace pace = new(clock, Cores);
        PaceTurn[] turns = [.. Enumerable.Range(0, 200).Select(_ => pace.Join(Never))];
        for (int round = 0; round < 3; round++)
        {
            Task[] waits = [.. turns.Select(turn => turn.NextAsync().AsTask())];
            Assert.That(waits.Select(wait => wait.IsCompleted), Has.All.False);
            Assert.That(clock.Due, Is.EqualTo(EventPace.LongestWait));
            clock.Ring();
            await Task.WhenAll(waits).WaitAsync(TimeSpan.FromMinutes(1));
            Assert.That(clock.Due, Is.Null, "nobody waits");
        }
    }

    [Test]
    public void What_goes_on_may_wait_again_at_once()
    {
        using HandClock clock = new();
        using EventPace pace = new(clock, coreCount: 1);
        PaceTurn[] turns = [.. Enumerable.Range(0, 8).Select(_ => pace.Join(Never))];
        int sent = 0;
        Task all = Task.WhenAll(turns.Select(async turn =>
        {
            for (int i = 0; i < 5; i++)
            {
                Interlocked.Increment(ref sent);
                await turn.NextAsync().ConfigureAwait(false);
            }
        }));
        for (int pulse = 1; pulse <= 5; pulse++)
        {
            Assert.That(sent, Is.EqualTo(8 * pulse));
            clock.Ring();
        }
        Assert.That(all.IsCompletedSuccessfully, Is.True);
    }

    [Test]
    public async Task A_stream_that_ends_waits_no_longer([Values(0, 1, 100)] int pulsesBefore)
    {
        using HandClock clock = new();
        using EventPace pace = new(clock, Cores);
        PaceTurn[] others = [.. Enumerable.Range(0, 100).Select(_ => pace.Join(Never))];
        TaskCompletionSource end = new();
        PaceTurn turn = pace.Join(end.Task);
        for (int i = 0; i < pulsesBefore; i++)
        {
            Task paced = turn.NextAsync().AsTask();
            clock.Ring();
            await paced.WaitAsync(TimeSpan.FromMinutes(1));
        }
        Task other = others[0].NextAsync().AsTask(), last = turn.NextAsync().AsTask();
        Assert.That(last.IsCompleted, Is.False);
        end.SetResult();
        await last.WaitAsync(TimeSpan.FromMinutes(1));
        Assert.That(other.IsCompleted, Is.False);
        clock.Ring();
        await other.WaitAsync(TimeSpan.FromMinutes(1));
        Assert.That(turn.NextAsync().AsTask().IsCompletedSuccessfully, Is.True);
    }

    /// <summary>Has one timer, which rings when it is told to.</summary>
    private sealed class HandClock : TimeProvider, ITimer
    {
        private TimerCallback? _callback;
        private object? _state;

        public TimeSpan? Due { get; private set; }

        public void Ring()
        {
            Due = null;
            _callback!(_state);
        }

        public override ITimer CreateTimer(
            TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            (_callback, _state) = (callback, state);
            return this;
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            Due = dueTime;
            return true;
        }

        public void Dispose()
        {
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
