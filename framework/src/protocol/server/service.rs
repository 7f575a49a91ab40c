//! The table of the protocol's calls. A call that isn't in it is answered as unimplemented.

use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, codegen::BoxStream};

use super::{Server, action, listing::Events};
use crate::{
    protocol::{answer::answer, wire},
    terraform::Provider,
};

/// The subject of a call that isn't about one type.
const PROVIDER: &str = "the provider";

macro_rules! service {
    (@subject $request:ident) => { PROVIDER.to_owned() };
    (@subject $request:ident $subject:ident) => { $request.$subject.clone() };
    ($($call:ident => $rpc:ident $(of $subject:ident)?,)*) => {
        #[tonic::async_trait]
        impl<P: Provider> wire::provider_server::Provider for Server<P> {
            $(async fn $rpc(&self, request: Request<wire::$rpc::Request>) -> Result<Response<wire::$rpc::Response>, Status> {
                let (server, request) = (self.clone(), request.into_inner());
                let subject = service!(@subject request $($subject)?);
                let work = async move { answer(stringify!($call), &subject, &server.0.mask, server.$rpc(request)).await };
                self.run(work).await.map(Response::new)
            })*

            async fn list_resource(
                &self,
                request: Request<wire::list_resource::Request>,
            ) -> Result<Response<BoxStream<wire::list_resource::Event>>, Status> {
                let (server, request) = (self.clone(), request.into_inner());
                let (mut events, receiver) = Events::new(self.0.mask.clone());
                let hung_up = events.closed();
                let work = async move {
                    let subject = request.type_name.clone();
                    let work = server.list_resource(request, &mut events);
                    let ended = answer("ListResource", &subject, &server.0.mask, work).await;
                    events.finish(ended).await;
                };
                tokio::spawn(self.0.calls.track_future(async move {
                    tokio::select! {
                        () = work => {}
                        () = hung_up => {}
                    }
                }));
                Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
            }

            async fn invoke_action(
                &self,
                request: Request<wire::invoke_action::Request>,
            ) -> Result<Response<BoxStream<wire::invoke_action::Event>>, Status> {
                let (server, request) = (self.clone(), request.into_inner());
                let (events, receiver) = action::events();
                tokio::spawn(async move {
                    let call = async {
                        let subject = request.action_type.clone();
                        let work = server.invoke_action(request, &events);
                        answer("InvokeAction", &subject, &server.0.mask, work).await
                    };
                    let ended = server.run_until(call, events.closed()).await;
                    // Fails only if the CLI has hung up.
                    let _ = events.send(Ok(action::completed(ended))).await;
                });
                Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
            }
        }
    };
}

// In each row: the call, the method of [`Server`] that does its work, and the field of the request that names its subject.
service! {
    GetMetadata => get_metadata,
    GetProviderSchema => get_provider_schema,
    GetResourceIdentitySchemas => get_resource_identity_schemas,
    ValidateProviderConfig => validate_provider_config,
    ConfigureProvider => configure_provider,
    StopProvider => stop_provider,

    ValidateResourceConfig => validate_resource_config of type_name,
    UpgradeResourceState => upgrade_resource_state of type_name,
    UpgradeResourceIdentity => upgrade_resource_identity of type_name,
    ReadResource => read_resource of type_name,
    PlanResourceChange => plan_resource_change of type_name,
    ApplyResourceChange => apply_resource_change of type_name,
    ImportResourceState => import_resource_state of type_name,
    MoveResourceState => move_resource_state of target_type_name,
    GenerateResourceConfig => generate_resource_config of type_name,
    ValidateListResourceConfig => validate_list_resource_config of type_name,

    ValidateDataResourceConfig => validate_data_resource_config of type_name,
    ReadDataSource => read_data_source of type_name,

    ValidateEphemeralResourceConfig => validate_ephemeral_resource_config of type_name,
    OpenEphemeralResource => open_ephemeral_resource of type_name,
    RenewEphemeralResource => renew_ephemeral_resource of type_name,
    CloseEphemeralResource => close_ephemeral_resource of type_name,

    ValidateActionConfig => validate_action_config of type_name,
    PlanAction => plan_action of action_type,

    GetFunctions => get_functions,
    CallFunction => call_function of name,
}
