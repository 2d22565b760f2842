namespace PdEngine.Bench;

/// <summary>How fast whole models are, in steps and served.</summary>
internal sealed class ModelStage(CheckRig rig, CheckJournal journal, CheckSettings settings) : ICheckStage
{
    public string Name => "model";

    public IEnumerable<CheckCase> Cases()
    {
        Lazy<CublasPeer> cublas = new(() => new CublasPeer(rig, settings));
        CeilingRows ceilings = new(rig, journal, cublas);
        foreach (CheckCase one in ceilings.Cases())
            yield return one;
        if (cublas.IsValueCreated)
            cublas.Value.Dispose();
        // The same model is made ready twice, so that what matters most of each is there first.
        foreach (bool isFirst in (bool[])[true, false])
        {
            foreach (CheckModel model in settings.Scale.Models)
            {
                using ModelRows rows = new(rig, ceilings, model);
                foreach (CheckCase one in rows.Cases())
                {
                    if (CheckTargets.IsFirst(one.Name) == isFirst)
                        yield return one;
                }
            }
        }
        foreach (CheckModel model in settings.Scale.ServingModels)
        {
            using ServingRows rows = new(rig, model);
            foreach (CheckCase one in rows.Cases())
                yield return one;
        }
    }
}
