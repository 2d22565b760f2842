namespace PdEngine.Bench;

/// <summary>A model that takes no time: every draw is a token made up from its position.</summary>
/// <param name="runsAhead">Its worker starts a step before it applies the one before.</param>
internal sealed class InstantRunner(bool runsAhead) : IModelRunner
{
    private const int TokenCount = 1000;

    public bool RunsAhead => runsAhead;

    public void Start(ForwardBatch batch)
    {
        SampleBatch samples = batch.Samples;
        for (int i = 0; i < samples.RowCount; i++)
        {
            SampleRow row = samples.Rows[i];
            samples.Results[i].Token = (row.Position + i) % TokenCount;
            samples.Results[i].LogProb = -1;
            samples.Tops.Slice(row.FirstTop, row.TopCount).Fill(new(row.Position % TokenCount, -1));
        }
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
