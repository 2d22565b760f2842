namespace PdEngine;

/// <summary>A parsed template.</summary>
/// <param name="Body">Its statements.</param>
/// <param name="AsksForNullContent">Whether it treats a message whose content is null on its own.</param>
/// <param name="UsesTools">Whether it names the variable of the tools.</param>
internal sealed record JinjaTemplate(JinjaBlock Body, bool AsksForNullContent, bool UsesTools)
{
    /// <summary>Renders with the given variables.</summary>
    /// <exception cref="JinjaException">The template failed, or cost more than the limits.</exception>
    public string Render(JinjaScope variables, TimeProvider clock, JinjaLimits limits)
    {
        JinjaScope globals = JinjaGlobals.Over(variables);
        JinjaContext context = new(limits, clock, globals);
        try
        {
            Body.Run(context);
        }
        catch (JinjaException error) when (error.Line is null)
        {
            throw new JinjaException(error.Message, context.Line);
        }
        return context.Output.ToString();
    }
}
